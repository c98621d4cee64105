// SPDX-License-Identifier: Apache-2.0

import Crypto
import WarrenCore

extension WebSocks {
    /// What an agent asks for, apart from what is always the same.
    package struct UpgradeRequest: Hashable, Sendable {
        package var host: String
        package var user: String
        package var digest: [UInt8]

        package init(host: String, user: String, digest: [UInt8]) {
            self.host = host
            self.user = user
            self.digest = digest
        }
    }

    enum Upgrade {
        /// Agents send no other one, and demand its answer.
        static let key = "dGhlIHNhbXBsZSBub25jZQ=="
        static let subprotocol = "socks5"

        /// - Source: RFC 6455, section 4.2.2.
        static func accept(_ key: String) -> String {
            let text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            return String(decoding: Base64.encode(Insecure.SHA1.hash(data: Array(text.utf8))), as: UTF8.self)
        }
    }
}

extension Claim {
    /// What the value of `Authorization` says; nil unless it is `Basic` with exactly one colon.
    init?(websocks value: String, _ decoding: WebSocks.Decoding) {
        let words = value.split(separator: " ", maxSplits: 1)
        guard words.count == 2, let scheme = words.first, let text = words.last,
            decoding == .lenient ? scheme.lowercased() == "basic" : scheme == "Basic",
            let login = Base64.decode(text.utf8.drop { $0 == UInt8(ascii: " ") }, .java)
        else { return nil }
        let parts = login.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 2, let user = parts.first, let digest = parts.last, !digest.isEmpty else { return nil }
        self.init(identity: user.trimmed, proof: digest.trimmed)
    }
}

extension ArraySlice<UInt8> {
    fileprivate var trimmed: [UInt8] {
        Array(self.drop { $0 <= 0x20 }.reversed().drop { $0 <= 0x20 }.reversed())
    }
}
