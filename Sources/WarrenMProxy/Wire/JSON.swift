// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// A JSON text as a value. Numbers stay texts, and objects keep the order of their members.
indirect enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    struct Member: Hashable, Sendable {
        var name: String
        var value: JSON
    }

    static func integer(_ number: Int) -> JSON { .number(String(number)) }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var elements: [JSON]? { if case .array(let elements) = self { elements } else { nil } }

    /// The number, if it is a whole one.
    var integer: Int? { if case .number(let digits) = self { Int(digits) } else { nil } }

    /// The first member of that name; nil for what is no object. There are no inherited ones.
    subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }
}

extension JSON {
    /// Reads one value that fills all of the bytes (RFC 8259).
    ///
    /// - Parameter depth: how deep arrays and objects may lie in each other.
    /// - Throws: ``WireError`` `.badValue` for what is no JSON, `.truncated` for what ends too early, `.tooLong` for what is too
    ///   deep.
    init(_ bytes: ByteBufferView, depth: Int = 8) throws(WireError) {
        var reader = JSONReader(bytes)
        self = try reader.value(depth: depth)
        try reader.finish()
    }
}

private struct JSONReader {
    private let bytes: ByteBufferView
    private var at: ByteBufferView.Index

    init(_ bytes: ByteBufferView) {
        self.bytes = bytes
        self.at = bytes.startIndex
    }

    mutating func finish() throws(WireError) {
        self.skipBlanks()
        guard self.at == self.bytes.endIndex else {
            throw WireError(.badValue, in: "json", found: "more than one value")
        }
    }

    mutating func value(depth: Int) throws(WireError) -> JSON {
        guard depth > 0 else { throw WireError(.tooLong, in: "json.depth") }
        self.skipBlanks()
        switch try self.peek() {
        case UInt8(ascii: "["): return try self.array(depth: depth)
        case UInt8(ascii: "{"): return try self.object(depth: depth)
        case UInt8(ascii: "\""): return .string(try self.string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try self.number()
        case UInt8(ascii: "n"): return try self.word("null", .null)
        case UInt8(ascii: "t"): return try self.word("true", .bool(true))
        case UInt8(ascii: "f"): return try self.word("false", .bool(false))
        default: throw WireError(.badValue, in: "json")
        }
    }

    private mutating func array(depth: Int) throws(WireError) -> JSON {
        try self.take()
        var elements: [JSON] = []
        if try self.skips(to: UInt8(ascii: "]")) { return .array(elements) }
        while true {
            elements.append(try self.value(depth: depth - 1))
            if try self.skips(to: UInt8(ascii: "]")) { return .array(elements) }
            try self.expect(UInt8(ascii: ","))
        }
    }

    private mutating func object(depth: Int) throws(WireError) -> JSON {
        try self.take()
        var members: [JSON.Member] = []
        if try self.skips(to: UInt8(ascii: "}")) { return .object(members) }
        while true {
            self.skipBlanks()
            let name = try self.string()
            self.skipBlanks()
            try self.expect(UInt8(ascii: ":"))
            members.append(JSON.Member(name: name, value: try self.value(depth: depth - 1)))
            if try self.skips(to: UInt8(ascii: "}")) { return .object(members) }
            try self.expect(UInt8(ascii: ","))
        }
    }

    private mutating func number() throws(WireError) -> JSON {
        let start = self.at
        if try self.peek() == UInt8(ascii: "-") { try self.take() }
        let isZero = try self.peek() == UInt8(ascii: "0")
        let whole = try self.digits()
        guard !isZero || whole == 1 else { throw WireError(.badValue, in: "json.number", found: "leading zero") }
        if self.isNext(UInt8(ascii: ".")) {
            try self.take()
            _ = try self.digits()
        }
        if self.isNext(UInt8(ascii: "e")) || self.isNext(UInt8(ascii: "E")) {
            try self.take()
            if self.isNext(UInt8(ascii: "+")) || self.isNext(UInt8(ascii: "-")) { try self.take() }
            _ = try self.digits()
        }
        return .number(String(decoding: self.bytes[start..<self.at], as: UTF8.self))
    }

    /// At least one; how many there were.
    private mutating func digits() throws(WireError) -> Int {
        let digits = self.bytes[self.at...].prefix(while: \.isDigit)
        guard !digits.isEmpty else {
            throw WireError(self.at == self.bytes.endIndex ? .truncated : .badValue, in: "json.number")
        }
        self.at = digits.endIndex
        return digits.count
    }

    private mutating func word(_ text: String, _ value: JSON) throws(WireError) -> JSON {
        for byte in text.utf8 { try self.expect(byte) }
        return value
    }

    // MARK: Texts

    private mutating func string() throws(WireError) -> String {
        try self.expect(UInt8(ascii: "\""))
        var text: [UInt8] = []
        while true {
            let plain = self.bytes[self.at...].prefix {
                $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
            text.append(contentsOf: plain)
            self.at = plain.endIndex
            switch try self.take() {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self)
                else { throw WireError(.badValue, in: "json.string", found: "no UTF-8") }
                return valid
            case UInt8(ascii: "\\"):
                text.append(contentsOf: String(Character(try self.escape())).utf8)
            default:
                throw WireError(.badValue, in: "json.string", found: "a control character")
            }
        }
    }

    private mutating func escape() throws(WireError) -> Unicode.Scalar {
        switch try self.take() {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try self.codePoint()
        default: throw WireError(.badValue, in: "json.escape")
        }
    }

    /// Four hexadecimal digits, or twice four for what is no single UTF-16 unit. Half a pair becomes U+FFFD.
    private mutating func codePoint() throws(WireError) -> Unicode.Scalar {
        let unit = try self.unit()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        let isPair = unit < 0xDC00 && self.bytes[self.at...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")])
        guard isPair else { return "\u{FFFD}" }
        let before = self.at
        try self.take()
        try self.take()
        let low = try self.unit()
        guard (0xDC00...0xDFFF).contains(low) else {
            self.at = before
            return "\u{FFFD}"
        }
        return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)) ?? "\u{FFFD}"
    }

    private mutating func unit() throws(WireError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(try self.take())).hexDigitValue
            else { throw WireError(.badValue, in: "json.escape") }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    // MARK: Bytes

    private func peek() throws(WireError) -> UInt8 {
        guard self.at < self.bytes.endIndex else { throw WireError(.truncated, in: "json") }
        return self.bytes[self.at]
    }

    private func isNext(_ byte: UInt8) -> Bool { self.at < self.bytes.endIndex && self.bytes[self.at] == byte }

    @discardableResult
    private mutating func take() throws(WireError) -> UInt8 {
        let byte = try self.peek()
        self.at += 1
        return byte
    }

    private mutating func expect(_ byte: UInt8) throws(WireError) {
        guard try self.take() == byte else { throw WireError(.badValue, in: "json") }
    }

    /// Takes blanks, and the byte behind them if it is this one.
    private mutating func skips(to byte: UInt8) throws(WireError) -> Bool {
        self.skipBlanks()
        guard try self.peek() == byte else { return false }
        self.at += 1
        return true
    }

    private mutating func skipBlanks() {
        self.at =
            self.bytes[self.at...]
            .prefix { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }.endIndex
    }
}
