// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenTesting

@testable import WarrenZhwkproX

/// A session recorded from deployed peers.
struct Recording: Decodable {
    struct Entry: Decodable {
        var dir: String
        var what: String?
        var hex: String?
        var plaintext: String?
        var ipvr: UInt8?
        var addr: String?
        var port: UInt16?
        var dlen: Int?
        var note: String?

        var bytes: ByteBuffer { ByteBuffer(hex: self.hex ?? "") }
        /// `GET request…` or `GET reply…`, whole.
        var isMessage: Bool { self.ipvr != nil }
    }

    var description: String
    var messages: [Entry]

    static let all = [
        "inter-session", "inter-socks-no-noauth", "server-rejects-auth", "server-rejects-version", "server-session",
        "server-short-auth-panic", "server-split-get", "session-real-pair",
    ]

    static func load(_ name: String) throws -> Recording { try Fixture.load(name) }
}
