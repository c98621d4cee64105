// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenTesting

/// What was recorded of the deployed programs' digests.
struct AuthVectors: Decodable {
    struct Captured: Decodable {
        var header, user, password: String
        var minute: Int64
    }
    struct Derived: Decodable {
        var password: String
        var minute: Int64
        var digest, header: String
    }
    struct Accept: Decodable { var key, accept: String }

    var captured: Captured
    var derived: [Derived]
    var wsAccept: Accept

    static func load() throws -> AuthVectors { try Fixture.load("websocks_auth") }
}

/// One connection between the deployed agent and server: each direction's messages, in their order.
struct Recording {
    private struct File: Decodable {
        struct Frame: Decodable {
            var session: Int
            var dir: String
            var streamId: Int
            var meaning: String
            var payloadHex: String?
            var gzipDecodedHex: String?
        }
        var frames: [Frame]
    }

    var fromAgent: [ByteBuffer] = []
    var fromServer: [ByteBuffer] = []

    /// All connections of both files on which a stream was asked for.
    static func all() throws -> [Recording] {
        try ["websocks_kcp_pool", "websocks_kcp_socks5_httpconnect"].flatMap { name in
            var found: [String: Recording] = [:]
            for frame in try Fixture.load(name, as: File.self).frames where frame.meaning.contains("PSH") {
                let bytes = ByteBuffer(hex: frame.gzipDecodedHex ?? frame.payloadHex ?? "")
                guard bytes.readableBytes > 0 else { continue }
                let key = "\(frame.session)/\(frame.streamId)"
                if frame.dir == "c2s" {
                    found[key, default: Recording()].fromAgent.append(bytes)
                } else {
                    found[key, default: Recording()].fromServer.append(bytes)
                }
            }
            return found.sorted { $0.key < $1.key }.map(\.value).filter { $0.fromServer.count > 3 }
        }
    }
}
