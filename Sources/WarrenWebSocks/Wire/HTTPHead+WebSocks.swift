// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

extension HTTPHeadScan {
    /// For both directions: an answer is read as strictly as a request.
    package static var webSocks: HTTPHeadScan { HTTPHeadScan(.request, most: WebSocks.longestHead) }
}

extension ByteBuffer {
    /// Reads a head.
    ///
    /// - Returns: nil while incomplete.
    /// - Throws: ``WireError`` in `head`, `head.line` or `head.fields`. A line that begins with a blank would go on with the one
    ///   before it (obs-fold): RFC 9112, section 5.2 has a server refuse that.
    package mutating func readWebSocksHead(_ scan: inout HTTPHeadScan) throws(WireError) -> HTTPHead? {
        let head: HTTPHead
        do throws(HTTPFlaw) {
            guard let length = try scan.length(in: self), let bytes = self.readSlice(length: length) else { return nil }
            head = try HTTPHead(request: bytes.readableBytesView)
        } catch {
            throw WireError(error == .tooLarge ? .tooLong : .badValue, in: "head", found: "\(error)")
        }
        let words = head.words(most: 3)
        guard words.count >= 2, words.allSatisfy({ !$0.isEmpty }) else { throw WireError(.badValue, in: "head.line") }
        guard head.fields.count <= WebSocks.mostFields else {
            throw WireError(.tooLong, in: "head.fields", found: "more than \(WebSocks.mostFields)")
        }
        return head
    }
}

extension WebSocks {
    /// The longest head, in bytes.
    package static let longestHead = 16 << 10
    /// More fields are refused.
    package static let mostFields = 100
}

extension HTTPHead {
    /// Bytes that are no UTF-8 become U+FFFD: nothing that is compared or answered holds one.
    func values(_ name: String) -> [String] {
        self.fields.named(name).map { String(decoding: $0.value, as: UTF8.self) }
    }

    func has(_ name: String) -> Bool { self.fields.contains { $0.key == name } }

    /// Whether the fields that every upgrade has say what they should; deployed programs take one exact form.
    func isUpgrade(_ decoding: WebSocks.Decoding) -> Bool {
        switch decoding {
        case .deployed:
            let connection = self.values("connection").map { $0.lowercased() }
            return Self.isOnly("websocket", in: self.values("upgrade")) && Self.isOnly("upgrade", in: connection)
        case .lenient:
            return self.fields.words("upgrade").contains("websocket")
                && self.fields.words("connection").contains("upgrade")
        }
    }

    private static func isOnly(_ value: String, in values: [String]) -> Bool {
        !values.isEmpty && values.allSatisfy { $0 == value }
    }

    func offersSubprotocol(_ decoding: WebSocks.Decoding) -> Bool {
        let field = "sec-websocket-protocol"
        return switch decoding {
        case .deployed: self.values(field).contains(WebSocks.Upgrade.subprotocol)
        case .lenient: self.fields.words(field).contains(WebSocks.Upgrade.subprotocol)
        }
    }
}
