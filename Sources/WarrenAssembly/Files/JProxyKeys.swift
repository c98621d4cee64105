// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOFoundationCompat
import WarrenConfiguration
import WarrenCore
import WarrenJProxy

/// jProxy's key files on disk.
public enum JProxyKeys {
    static let defaultPort: UInt16 = 16384

    /// The two files of a new user.
    public struct Written: Hashable, Sendable {
        /// For the client only: whoever has it is that user.
        public let clientFile: String
        public let userFile: String
    }

    /// Makes a user and writes `key.dat` and `users/<HASH>.dat` below a folder. Never overwrites a file.
    ///
    /// - Throws: an error that describes itself in one sentence.
    @discardableResult
    public static func write(name: String, to folder: String) throws -> Written {
        guard !name.isEmpty else { throw JProxyFileError("the user has no name", "give one") }
        let clientFile = "\(folder)/key.dat"
        guard !FileManager.default.fileExists(atPath: clientFile) else {
            throw JProxyFileError("\(clientFile) is there already", "move it away, or choose another folder with --out")
        }
        var random = SystemRandomNumberGenerator()
        let pair = try JProxy.KeyPair.generate(name: name, using: &random)
        let userFile = "\(folder)/users/\(pair.user.fileName)"
        do {
            try FileManager.default.createDirectory(atPath: "\(folder)/users", withIntermediateDirectories: true)
        } catch {
            throw JProxyFileError("the folder \(folder)/users cannot be made", "check the path and its mode")
        }
        // Not secret by name, but whoever knows the public key can play the server.
        try Self.create(userFile, mode: 0o600, pair.user.serialized())
        do {
            try Self.create(clientFile, mode: 0o600, pair.client.serialized())
        } catch {
            try? FileManager.default.removeItem(atPath: userFile)  // a user whom nobody can be
            throw error
        }
        return Written(clientFile: clientFile, userFile: userFile)
    }

    static func clientKey(
        at file: Located<String>, _ dialect: JProxy.Dialect, _ findings: Findings
    ) -> JProxy.ClientKey? {
        do throws(JProxyFileError) {
            let bytes = try Self.bytes(of: file.value)
            do throws(WireError) {
                return try JProxy.ClientKey(parsing: bytes, dialect: dialect)
            } catch {
                if (try? JProxy.UserFile(parsing: bytes, dialect: dialect)) != nil {
                    throw JProxyFileError(
                        "\(file.value) is a user file of the server", "name the key.dat that was made with it")
                }
                let remedy = "copy it anew, or make one with: warren keygen jproxy NAME"
                // What stands there may be another secret, so not a byte of it is shown.
                throw JProxyFileError("\(file.value) is no jProxy key file (\(error.code) in \(error.field))", remedy)
            }
        } catch {
            findings.report(error.sentence, at: file.place, hint: error.remedy)
            return nil
        }
    }

    static func bytes(of path: String) throws(JProxyFileError) -> ByteBuffer {
        let remedy = "copy it anew"
        do throws(Refusal) {
            return ByteBuffer(data: try NamedFile.read(path, limit: NamedFile.longestKey, remedy: remedy))
        } catch {
            throw JProxyFileError("\(path) \(error.what ?? "cannot be read")", error.hint ?? remedy)
        }
    }

    private static func create(_ path: String, mode: Int, _ bytes: ByteBuffer) throws(JProxyFileError) {
        let isMade = FileManager.default.createFile(
            atPath: path, contents: Data(buffer: bytes), attributes: [.posixPermissions: mode]
        )
        guard isMade else {
            throw JProxyFileError("\(path) cannot be written", "check that the folder is there, and its mode")
        }
    }
}
