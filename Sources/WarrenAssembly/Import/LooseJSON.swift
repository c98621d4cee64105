// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration

/// JSON as vproxy's programs take it: keys and texts without quotes, `=` for `:`, lines for commas, and comments: `#` and `//` to the
/// end of the line, `/* */`.
///
/// A text without quotes ends with its line, or before a comma, a comment or the bracket that closes what it stands in. The `//`
/// of an address is none, although the vproxy of some versions takes it for one.
indirect enum LooseJSON: Hashable, Sendable {
    case text(String)
    case list([LooseJSON])
    /// In the order of the file; keys are written as they are, dots included.
    case map([Pair])

    struct Pair: Hashable, Sendable {
        let key: String
        let value: LooseJSON
    }

    /// - Throws: a ``Refusal`` that names the line.
    init(parsing text: String) throws(Refusal) {
        var reader = Reader(text)
        self = try reader.value(in: nil, depth: 0)
        reader.skip()
        guard reader.next == nil else { throw reader.refusal("something follows the end of the file's value") }
    }

    /// The value of a key, or of a path of keys; nil where one is not there.
    subscript(_ path: String...) -> LooseJSON? {
        var value = self
        for key in path {
            guard case .map(let pairs) = value, let pair = pairs.last(where: { $0.key == key }) else { return nil }
            value = pair.value
        }
        return value
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }

    /// Lists of lists are texts in brackets.
    var texts: [String] {
        switch self {
        case .text(let text): [text]
        case .list(let items):
            items.map { if case .text(let text) = $0 { text } else { "[\($0.texts.joined(separator: ", "))]" } }
        case .map: []
        }
    }

    var items: [LooseJSON] { if case .list(let items) = self { items } else { [] } }
}

private struct Reader {
    private static let deepest = 32

    private var rest: Substring
    private var line = 1

    init(_ text: String) { self.rest = text[...] }

    var next: Character? { self.rest.first }

    func refusal(_ what: String) -> Refusal { Refusal("line \(self.line): \(what)") }

    private mutating func advance() {
        if self.rest.first?.isNewline == true { self.line += 1 }
        self.rest = self.rest.dropFirst()
    }

    /// Blanks, commas and comments.
    mutating func skip() {
        while let character = self.next {
            if character == "#" || self.rest.hasPrefix("//") {
                while let other = self.next, !other.isNewline { self.advance() }
            } else if self.rest.hasPrefix("/*") {
                self.skipBlock()
            } else if character.isWhitespace || character == "," || character == ";" {
                self.advance()
            } else {
                return
            }
        }
    }

    private mutating func skipBlock() {
        self.rest = self.rest.dropFirst(2)
        while self.next != nil, !self.rest.hasPrefix("*/") { self.advance() }
        self.rest = self.rest.dropFirst(2)
    }

    private var isAtComment: Bool { self.next == "#" || self.rest.hasPrefix("//") || self.rest.hasPrefix("/*") }

    /// - Parameter closer: the bracket that ends what it stands in.
    mutating func value(in closer: Character?, depth: Int) throws(Refusal) -> LooseJSON {
        self.skip()
        guard depth < Self.deepest else { throw self.refusal("brackets stand too deep in each other") }
        switch self.next {
        case "{": return .map(try self.pairs(depth))
        case "[": return .list(try self.items(depth))
        case "\"", "'": return .text(try self.quoted())
        case nil: throw self.refusal("the file ends where a value should stand")
        case "/": return .text(self.pattern(closer))
        case .some: return .text(self.bare(closer))
        }
    }

    private mutating func items(_ depth: Int) throws(Refusal) -> [LooseJSON] {
        self.advance()
        var items: [LooseJSON] = []
        while true {
            self.skip()
            guard let next = self.next else { throw self.refusal("a [ is not closed") }
            if next == "]" { break }
            items.append(try self.value(in: "]", depth: depth + 1))
        }
        self.advance()
        return items
    }

    private mutating func pairs(_ depth: Int) throws(Refusal) -> [LooseJSON.Pair] {
        self.advance()
        var pairs: [LooseJSON.Pair] = []
        while true {
            self.skip()
            guard let next = self.next else { throw self.refusal("a { is not closed") }
            if next == "}" { break }
            let key = try self.key()
            while let next = self.next, next == " " || next == "\t" || next == "=" || next == ":" { self.advance() }
            pairs.append(LooseJSON.Pair(key: key, value: try self.value(in: "}", depth: depth + 1)))
        }
        self.advance()
        return pairs
    }

    private mutating func key() throws(Refusal) -> String {
        if self.next == "\"" || self.next == "'" { return try self.quoted() }
        var key = ""
        while let next = self.next, !next.isWhitespace, !"=:{}[],".contains(next) {
            key.append(next)
            self.advance()
        }
        guard !key.isEmpty else { throw self.refusal("expected a key") }
        return key
    }

    private mutating func quoted() throws(Refusal) -> String {
        let quote = self.next
        self.advance()
        var text = ""
        while let next = self.next, next != quote {
            self.advance()
            guard next == "\\", let escaped = self.next else {
                text.append(next)
                continue
            }
            self.advance()
            switch escaped {
            case "n": text.append("\n")
            case "t": text.append("\t")
            case "\"", "'", "\\", "/": text.append(escaped)
            // A pattern's own.
            default: text += "\\\(escaped)"
            }
        }
        guard self.next != nil else { throw self.refusal("a quote is not closed") }
        self.advance()
        return text
    }

    /// `/…/`, in which brackets and commas are the pattern's own.
    private mutating func pattern(_ closer: Character?) -> String {
        var (taken, isEscaped) = ("/", false)
        var after = self.rest.dropFirst()
        while let character = after.first, !character.isNewline {
            after = after.dropFirst()
            taken.append(character)
            let follower = after.first ?? "\n"
            if character == "/", !isEscaped, follower.isWhitespace || follower == "," || follower == closer {
                self.rest = after
                return taken
            }
            isEscaped = character == "\\" && !isEscaped
        }
        return self.bare(closer)
    }

    private mutating func bare(_ closer: Character?) -> String {
        var text = ""
        while let next = self.next, !next.isNewline, next != ",", next != closer {
            if text.last?.isWhitespace == true, self.isAtComment { break }
            text.append(next)
            self.advance()
        }
        return String(text.reversed().drop { $0.isWhitespace }.reversed())
    }
}
