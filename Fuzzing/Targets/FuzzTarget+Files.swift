// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Warren
import WarrenConfiguration
import WarrenCore
import WarrenJProxy
import WarrenRuntime

extension FuzzTarget {
    static let files = [
        FuzzTarget("yaml") { read(String(decoding: $0, as: UTF8.self)) },
        FuzzTarget("url") { input in
            let words = String(decoding: input, as: UTF8.self).split(separator: "\n", maxSplits: 2).map(String.init)
            do throws(ConfigurationFailure) {
                _ = try Daemon(
                    listen: Array(words.prefix(1)), forward: words.dropFirst().prefix(1).map { $0 },
                    allow: Array(words.dropFirst(2)))
            } catch {
                return isSentence("\(error)")
            }
            return nil
        },
        FuzzTarget("pem", pem),
        FuzzTarget("jproxy-client-key") { input in
            roundTrip(input) { bytes throws(WireError) in try JProxy.ClientKey(parsing: bytes).serialized() }
        },
        FuzzTarget("jproxy-user-file") { input in
            roundTrip(input) { bytes throws(WireError) in try JProxy.UserFile(parsing: bytes).serialized() }
        },
    ]

    private static func read(_ yaml: String) -> String? {
        do throws(ConfigurationFailure) {
            _ = try Daemon(yaml: yaml, name: "fuzz", environment: ["A": "b"])
        } catch {
            return isSentence("\(error)")
        }
        return nil
    }

    private static func isSentence(_ text: String) -> String? { text.isEmpty ? "a refusal without a word" : nil }

    /// Certificate, key and authority in one file.
    private static func pem(_ input: [UInt8]) -> String? {
        let path = "\(FileManager.default.temporaryDirectory.path)/warren-fuzz-\(getpid()).pem"
        defer { unlink(path) }
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(input), attributes: [.posixPermissions: 0o600])
        else { return "there is no file \(path)" }
        return read(
            """
            inbounds:
              - { name: a, type: http, listen: "127.0.0.1:0", tls: { certificate: "\(path)", key: "\(path)", ca: "\(path)" } }
            """)
    }

    /// What was read and written again must read as the same.
    private static func roundTrip(
        _ input: [UInt8], _ rewrite: (ByteBuffer) throws(WireError) -> ByteBuffer
    ) -> String? {
        guard let written = try? rewrite(ByteBuffer(bytes: input)) else { return nil }
        guard let again = try? rewrite(written) else { return "what was written cannot be read: \(written)" }
        return again == written ? nil : "written: \(written)\nagain: \(again)"
    }
}
