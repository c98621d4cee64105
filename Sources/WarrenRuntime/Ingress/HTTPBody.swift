// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Follows the body of a message through its framing and passes it on as it is.
///
/// ```
/// length(n) ──n bytes──> complete         untilEnd: the connection's end is its end
/// size ──> extension ──> sizeEnd ──0──> trailer ⇄ trailerLine ──empty line──> complete
///   ^                       └──n──> data ──> dataCR ──> dataLF ─┐
///   └───────────────────────────────────────────────────────────┘
/// ```
struct HTTPBody: Hashable {
    private enum State: Hashable {
        case length(Int)
        case size(Int, digits: Int)
        case extensions(Int)
        case sizeEnd(Int)
        case data(Int)
        case dataCR
        case dataLF
        /// At the start of a line of the trailer section.
        case trailer
        case trailerLine
        case trailerLineEnd
        case lastLineEnd
        case untilEnd
        case complete
    }

    /// Bytes a chunk's extensions, and the trailer section, may have.
    static let longestLine = 4 << 10
    /// Hexadecimal digits of a chunk's size: enough for any chunk that arrives in a lifetime, and it fits into an Int.
    static let mostDigits = 15

    private var state: State
    private var lineLength = 0

    private init(_ state: State) { self.state = state }

    static let none = HTTPBody(.complete)
    static let chunked = HTTPBody(.size(0, digits: 0))
    static let untilEnd = HTTPBody(.untilEnd)
    static func length(_ count: Int) -> HTTPBody { HTTPBody(count > 0 ? .length(count) : .complete) }

    /// The body of a request.
    ///
    /// - Throws: the answer to framing that two readers could read in two ways.
    init(_ fields: [HTTPField], minorVersion: Int) throws(HTTPAnswer) {
        let lengths = Set(fields.named("content-length").map { Array($0.value) })
        let codings = fields.words("transfer-encoding")
        guard lengths.isEmpty || codings.isEmpty else {
            throw .malformed("The request has both Content-Length and Transfer-Encoding.")
        }
        guard lengths.count <= 1 else { throw .malformed("The request has two different Content-Lengths.") }
        if !fields.named("transfer-encoding").isEmpty {
            guard minorVersion > 0 else { throw .malformed("HTTP/1.0 has no Transfer-Encoding.") }
            guard codings == ["chunked"] else {
                throw HTTPAnswer(501, "Not Implemented", "The only transfer coding of requests is chunked.")
            }
            self = .chunked
        } else if let length = lengths.first {
            guard let count = length.decimal else { throw .malformed("The Content-Length is not a number.") }
            self = .length(count)
        } else {
            self = .none
        }
    }

    var isComplete: Bool { if case .complete = self.state { true } else { false } }
    /// Only the end of the connection tells where it ends.
    var lastsUntilEnd: Bool { if case .untilEnd = self.state { true } else { false } }
    /// It is cut into chunks.
    var isChunked: Bool {
        switch self.state {
        case .length, .untilEnd, .complete: false
        case .size, .extensions, .sizeEnd, .data, .dataCR, .dataLF, .trailer, .trailerLine, .trailerLineEnd,
            .lastLineEnd:
            true
        }
    }

    /// Takes what belongs to the body; nil when nothing of it is there.
    ///
    /// - Throws: ``WireError`` at the first byte that breaks the chunked framing.
    mutating func read(from input: inout ByteBuffer) throws(WireError) -> ByteBuffer? {
        guard input.readableBytes > 0, !self.isComplete else { return nil }
        if case .length(let left) = self.state {
            let piece = input.readSlice(length: min(left, input.readableBytes))
            let rest = left - (piece?.readableBytes ?? 0)
            self.state = rest == 0 ? .complete : .length(rest)
            return piece
        }
        if self.lastsUntilEnd { return input.readSlice(length: input.readableBytes) }
        let bytes = input.readableBytesView
        var index = bytes.startIndex
        while index < bytes.endIndex, !self.isComplete {
            if case .data(let left) = self.state {
                let count = min(left, bytes.endIndex - index)
                self.state = left == count ? .dataCR : .data(left - count)
                index += count
            } else {
                self.state = try self.state(after: bytes[index])
                index += 1
            }
        }
        return input.readSlice(length: index - bytes.startIndex)
    }

    /// Takes framing and content, and gives the next piece of the content alone; nil when there is none.
    ///
    /// For users who cannot read chunks (HTTP/1.0).
    mutating func readContent(from input: inout ByteBuffer) throws(WireError) -> ByteBuffer? {
        guard self.isChunked else { return try self.read(from: &input) }
        while !self.isComplete, input.readableBytes > 0 {
            if case .data(let left) = self.state {
                let count = min(left, input.readableBytes)
                self.state = left == count ? .dataCR : .data(left - count)
                return input.readSlice(length: count)
            }
            guard let byte = input.readInteger(as: UInt8.self) else { return nil }
            self.state = try self.state(after: byte)
        }
        return nil
    }

    private mutating func state(after byte: UInt8) throws(WireError) -> State {
        switch (self.state, byte) {
        case (.size(let size, let digits), _):
            if let value = byte.hexadecimal {
                guard digits < Self.mostDigits else { throw WireError(.tooLong, in: "chunk.size") }
                return .size(size << 4 | value, digits: digits + 1)
            }
            guard digits > 0 else { throw WireError(.badValue, in: "chunk.size") }
            return try self.extensions(of: size, byte)
        case (.extensions(let size), _): return try self.extensions(of: size, byte)
        case (.sizeEnd(let size), UInt8(ascii: "\n")):
            self.lineLength = 0
            return size == 0 ? .trailer : .data(size)
        case (.dataCR, UInt8(ascii: "\r")): return .dataLF
        case (.dataLF, UInt8(ascii: "\n")): return .size(0, digits: 0)
        case (.trailer, UInt8(ascii: "\r")): return .lastLineEnd
        case (.trailerLine, UInt8(ascii: "\r")): return .trailerLineEnd
        case (.trailer, _), (.trailerLine, _):
            try self.count(byte, in: "trailer")
            return .trailerLine
        case (.trailerLineEnd, UInt8(ascii: "\n")): return .trailer
        case (.lastLineEnd, UInt8(ascii: "\n")): return .complete
        case (.sizeEnd, _), (.dataCR, _), (.dataLF, _), (.trailerLineEnd, _), (.lastLineEnd, _):
            throw WireError(.badValue, in: "chunk.end")
        case (.length, _), (.data, _), (.untilEnd, _), (.complete, _): return self.state
        }
    }

    private mutating func extensions(of size: Int, _ byte: UInt8) throws(WireError) -> State {
        if byte == UInt8(ascii: "\r") { return .sizeEnd(size) }
        if self.lineLength == 0 && !" \t;".utf8.contains(byte) { throw WireError(.badValue, in: "chunk.size") }
        try self.count(byte, in: "chunk.extension")
        return .extensions(size)
    }

    private mutating func count(_ byte: UInt8, in field: String) throws(WireError) {
        guard byte.isLineText else {
            throw WireError(.badValue, in: field, found: "a control character")
        }
        self.lineLength += 1
        guard self.lineLength <= Self.longestLine else { throw WireError(.tooLong, in: field) }
    }
}

extension UInt8 {
    fileprivate var hexadecimal: Int? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(self - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(self - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(self - UInt8(ascii: "A")) + 10
        default: nil
        }
    }
}
