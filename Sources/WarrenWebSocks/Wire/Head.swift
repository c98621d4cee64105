// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// The head of an HTTP message: its first line's words and its fields, as far as WebSocks asks for them.
package struct Head: Hashable, Sendable {
    package struct Field: Hashable, Sendable {
        /// In lower case.
        package let name: String
        /// Without the blanks around it.
        package let value: String
    }

    /// More fields are refused.
    package static let mostFields = 100

    /// Up to three, cut at single spaces; the last one may hold further ones.
    package let words: [String]
    package let fields: [Field]

    package func values(_ name: String) -> [String] { self.fields.filter { $0.name == name }.map(\.value) }

    /// The elements of all lists in fields of this name, in lower case.
    package func elements(_ name: String) -> [String] {
        self.values(name).flatMap { $0.split(separator: ",") }.map { Head.trimmed($0[...].utf8).lowercased() }
    }

    fileprivate static func trimmed(_ text: Substring.UTF8View) -> String {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        return String(decoding: text.drop(while: isBlank).reversed().drop(while: isBlank).reversed(), as: UTF8.self)
    }
}

extension Head {
    /// Takes apart what ``HeadScan`` has found whole.
    ///
    /// - Throws: ``WireError`` in `head.line`, `head.field` or `head.fields`.
    package init(_ bytes: ByteBuffer) throws(WireError) {
        // Bytes that are no UTF-8 become U+FFFD: nothing that is compared or answered holds one.
        let text = String(decoding: bytes.readableBytesView, as: UTF8.self)
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)[...]
        func isEmpty(_ line: Substring.UTF8View) -> Bool { line.count <= 1 }
        lines = lines.drop(while: isEmpty)
        guard let first = lines.popFirst() else { throw WireError(.tooShort, in: "head.line") }
        let words = first.dropLast().split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words.allSatisfy({ !$0.isEmpty }) else { throw WireError(.badValue, in: "head.line") }
        self.words = words.map { String(Substring($0)) }
        var fields: [Field] = []
        for line in lines where !isEmpty(line) {
            guard fields.count < Self.mostFields else {
                throw WireError(.tooLong, in: "head.fields", found: "more than \(Self.mostFields)")
            }
            fields.append(try Self.field(line.dropLast()))
        }
        self.fields = fields
    }

    /// `name ":" value`. A line that begins with a blank would go on with the one before it (obs-fold): RFC 9112, section 5.2
    /// has a server refuse that.
    private static func field(_ line: Substring.UTF8View) throws(WireError) -> Field {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw WireError(.badValue, in: "head.field", found: "no colon")
        }
        let name = line[..<colon]
        guard !name.isEmpty, name.allSatisfy(\.isToken) else {
            throw WireError(.badValue, in: "head.field", found: "what is no name")
        }
        return Field(name: String(Substring(name)).lowercased(), value: Self.trimmed(line[colon...].dropFirst()))
    }
}

extension Head {
    /// Whether the fields that every upgrade has say what they should; deployed programs take one exact form.
    func isUpgrade(_ decoding: WebSocks.Decoding) -> Bool {
        switch decoding {
        case .deployed:
            let connection = self.values("connection").map { $0.lowercased() }
            return Self.isOnly("websocket", in: self.values("upgrade")) && Self.isOnly("upgrade", in: connection)
        case .lenient:
            return self.elements("upgrade").contains("websocket") && self.elements("connection").contains("upgrade")
        }
    }

    private static func isOnly(_ value: String, in values: [String]) -> Bool {
        !values.isEmpty && values.allSatisfy { $0 == value }
    }

    func offersSubprotocol(_ decoding: WebSocks.Decoding) -> Bool {
        let field = "sec-websocket-protocol"
        return switch decoding {
        case .deployed: self.values(field).contains(WebSocks.Upgrade.subprotocol)
        case .lenient: self.elements(field).contains(WebSocks.Upgrade.subprotocol)
        }
    }

    func has(_ name: String) -> Bool { self.fields.contains { $0.name == name } }
}
