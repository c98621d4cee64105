// SPDX-License-Identifier: Apache-2.0

extension MProxy {
    /// What a device says of itself before its tunnel begins: in the HTTP request that becomes the WebSocket.
    public struct Upgrade: Hashable, Sendable {
        /// Peers in Go show it by `versions=v1` in the query or a `Bearer` token; without either the peer is node's.
        public var dialect: Dialect
        /// From `?access_token=`, `Basic base64(anything:TOKEN)` or `Bearer TOKEN`; nil if it comes in a control message.
        public var token: String?

        /// The device knows windows and half-close; a relay in front of it may use them.
        public var usesExtension: Bool

        /// A longer token is none.
        static let mostToken = 16 << 10

        /// - Parameters:
        ///   - target: the request's, with its query: `/ws?access_token=T&versions=v1`.
        ///   - authorization: the value of that header, if there is one.
        ///   - extensions: the value of ``Extension/header``, if there is one.
        public init(target: String, authorization: String? = nil, extensions: String? = nil) {
            let fields = Self.fields(of: target)
            let parts = (authorization ?? "").split(separator: " ", maxSplits: 1)
            let scheme = parts.first?.lowercased() ?? ""
            let credentials = parts.dropFirst().first.map { $0.drop { $0 == " " } } ?? ""
            self.dialect = scheme == "bearer" || fields["versions"] == "v1" ? .go : .node
            self.usesExtension = self.dialect == .node && extensions.map { Extension.isAnnounced(in: $0) } ?? false
            switch scheme {
            case "bearer": self.token = Self.token(String(credentials))
            case "basic": self.token = Self.token(ofBasic: credentials)
            default: self.token = nil
            }
            if self.token == nil { self.token = fields["access_token"].flatMap { Self.token($0) } }
        }

        /// The first value of each name. A query that goes on behind the token (`&x=/`) does no harm.
        private static func fields(of target: String) -> [String: String] {
            guard let mark = target.firstIndex(of: "?") else { return [:] }
            var fields: [String: String] = [:]
            for pair in target[target.index(after: mark)...].split(separator: "&").prefix(16) {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard let name = parts.first, let value = parts.dropFirst().first, fields[String(name)] == nil
                else { continue }
                fields[String(name)] = String(value)
            }
            return fields
        }

        private static func token(ofBasic credentials: Substring) -> String? {
            guard credentials.utf8.count <= 2 * Self.mostToken, let bytes = Self.base64(credentials),
                let text = String(validating: bytes, as: UTF8.self), let colon = text.firstIndex(of: ":")
            else { return nil }
            return Self.token(String(text[text.index(after: colon)...]))
        }

        /// Only what a JWT is written with, so that it can be said in any other place.
        private static func token(_ text: String) -> String? {
            let isToken = text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
            return isToken && (1...Self.mostToken).contains(text.utf8.count) ? text : nil
        }

        /// Nil for a digit that is none; the padding may be missing.
        private static func base64(_ text: Substring) -> [UInt8]? {
            var bytes: [UInt8] = []
            var bits: UInt32 = 0
            var count = 0
            for digit in text.utf8.prefix(while: { $0 != UInt8(ascii: "=") }) {
                guard let value = Self.digit(digit) else { return nil }
                bits = (bits & 0xFF_FFFF) << 6 | UInt32(value)
                count += 6
                guard count >= 8 else { continue }
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
            return bytes
        }

        private static func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
            default: nil
            }
        }
    }
}
