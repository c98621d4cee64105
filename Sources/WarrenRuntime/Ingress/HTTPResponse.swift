// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The head of an origin's answer.
///
/// Origins are many and old, so what RFC 9112 lets a reader forgive is forgiven (bare LF, folded lines, lines that are no
/// field). What is passed on is written anew and is strict: the user cannot read it in another way than we did.
struct HTTPResponse: Hashable {
    let code: Int
    /// Without control characters; may be empty.
    let reason: ByteBufferView
    let minorVersion: Int
    private(set) var fields: [HTTPField]

    /// - Parameter head: all of it with the last empty line, as ``HTTPResponseScan`` has found it.
    /// - Throws: ``WireError`` for what is no HTTP/1 at all.
    init(_ head: ByteBufferView) throws(WireError) {
        var lines = head.split(separator: UInt8(ascii: "\n")).map {
            $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0
        }
        lines.removeAll { $0.isEmpty }
        let status = lines.first ?? head.prefix(0)
        let words = status.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0].count == 8, words[0].starts(with: "HTTP/1.".utf8),
            let minor = words[0].last, (0x30...0x39).contains(minor), words[1].count == 3,
            let code = HTTPBody.number(words[1]), code >= 100
        else { throw WireError(.badValue, in: "status line") }
        self.code = code
        self.minorVersion = minor == UInt8(ascii: "0") ? 0 : 1
        self.reason = words.count == 3 ? words[2].withoutControls : head.prefix(0)
        self.fields = []
        for line in lines.dropFirst() { self.append(line) }
    }

    private mutating func append(_ line: ByteBufferView) {
        if line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: "\t") {
            // A folded line goes on with the one before (RFC 9112, section 5.2).
            guard let last = self.fields.indices.last else { return }
            var value = ByteBuffer(bytes: self.fields[last].value)
            value.writeString(" ")
            value.writeBytes(HTTPRequest.trimmed(line.withoutControls))
            self.fields[last].value = value.readableBytesView
            return
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return }
        // White space before the colon is taken away (RFC 9112, section 5.1).
        let name = HTTPRequest.trimmed(line[..<colon])
        guard !name.isEmpty, name.allSatisfy(\.isToken) else { return }
        let text = String(decoding: name, as: UTF8.self)
        let value = HTTPRequest.trimmed(line[(colon + 1)...].withoutControls)
        self.fields.append(HTTPField(name: text, key: text.lowercased(), value: value))
    }

    /// How many interim answers may come before one answer.
    static let mostInterim = 100

    /// More is to come before the answer itself.
    var isInterim: Bool { (100..<200).contains(self.code) && self.code != 101 }
    var switchesProtocol: Bool { self.code == 101 }

    /// The framing of the body.
    ///
    /// - Throws: ``WireError`` where two readers could see two ends.
    /// - Source: RFC 9112, section 6.3.
    func body(answering method: String) throws(WireError) -> HTTPBody {
        if method == "HEAD" || self.code < 200 || self.code == 204 || self.code == 304 { return .none }
        let codings = self.codings
        if let last = codings.last {
            guard !codings.dropLast().contains("chunked") else {
                throw WireError(.badValue, in: "Transfer-Encoding", found: "chunked twice")
            }
            return last == "chunked" ? .chunked : .untilEnd
        }
        guard let length = try self.length() else { return .untilEnd }
        return .length(length)
    }

    /// The transfer codings, the outermost last. "identity" was the word for none.
    var codings: [String] { self.fields.words("transfer-encoding").filter { $0 != "identity" && !$0.isEmpty } }

    /// The same number may be said several times.
    private func length() throws(WireError) -> Int? {
        let lengths = Set(
            self.fields.filter { $0.key == "content-length" }
                .flatMap { $0.value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) }
                .map { Array(HTTPRequest.trimmed($0)) }
        )
        guard let first = lengths.first else { return nil }
        guard lengths.count == 1, let count = HTTPBody.number(first) else {
            throw WireError(.badValue, in: "Content-Length")
        }
        return count
    }
}

// MARK: - As the user gets it

extension HTTPResponse {
    /// How the body reaches the user.
    enum Framing {
        case asItIs
        /// Its chunks are taken out: a user of HTTP/1.0 cannot read them.
        case unchunked
    }

    /// - Parameter connection: nil where this is not the last head of the answer.
    func forwarded(_ framing: Framing, _ connection: HTTPPersistence?) -> ByteBuffer {
        var head = ByteBuffer()
        head.writeString("HTTP/1.1 \(self.code) ")
        head.writeBytes(self.reason)
        head.writeString("\r\n")
        let mayHaveBody = self.code >= 200 && self.code != 204
        var dropped: Set<String> = ["content-length"]
        switch framing {
        case .asItIs where mayHaveBody && !self.codings.isEmpty: break
        case .asItIs, .unchunked: dropped.insert("transfer-encoding")
        }
        for field in self.fields.endToEnd(without: dropped) { head.writeField(field) }
        // Said once, as it was understood; beside a Transfer-Encoding it is void (RFC 9112, section 6.3).
        if mayHaveBody, self.codings.isEmpty, let length = try? self.length() {
            head.writeString("Content-Length: \(length)\r\n")
        }
        head.writeVia(minorVersion: self.minorVersion)
        if self.switchesProtocol || self.code == 426 {
            head.writeString("Connection: Upgrade\r\n")
            for field in self.fields where field.key == "upgrade" { head.writeField(field) }
        }
        if let connection { head.writeString(connection.field) }
        head.writeString("\r\n")
        return head
    }
}

extension ByteBufferView {
    /// With spaces for what no field may hold (RFC 9110, section 5.5).
    fileprivate var withoutControls: ByteBufferView {
        guard self.contains(where: \.isControl) else { return self }
        return ByteBuffer(bytes: self.map { $0.isControl ? UInt8(ascii: " ") : $0 }).readableBytesView
    }
}

extension UInt8 {
    fileprivate var isControl: Bool { self < 0x20 && self != UInt8(ascii: "\t") || self == 0x7F }
}

/// Finds the end of an answer's head, looking at every byte once however it arrives.
struct HTTPResponseScan {
    /// Bytes of status line and fields with their line ends, as much as browsers take.
    static let longestHead = 256 << 10
    private static let start = Array("HTTP/1.".utf8)

    private var scanned = 0
    private var lineLength = 0
    private var endsWithCR = false
    private var hasLine = false
    private var started = 0

    /// The head's length in bytes with its last empty line; nil while incomplete.
    ///
    /// - Throws: ``WireError`` as soon as the bytes cannot become a head.
    mutating func length(in input: ByteBuffer) throws(WireError) -> Int? {
        for byte in input.readableBytesView.dropFirst(self.scanned) {
            guard self.scanned < Self.longestHead else { throw WireError(.tooLong, in: "answer head") }
            self.scanned += 1
            if try self.isLast(byte) { return self.scanned }
        }
        return nil
    }

    private mutating func isLast(_ byte: UInt8) throws(WireError) -> Bool {
        if byte == UInt8(ascii: "\n") {
            let isEmpty = self.lineLength == (self.endsWithCR ? 1 : 0)
            self.hasLine = self.hasLine || !isEmpty
            self.lineLength = 0
            self.endsWithCR = false
            return isEmpty && self.hasLine
        }
        self.endsWithCR = byte == UInt8(ascii: "\r")
        self.lineLength += 1
        // Empty lines may come first.
        guard !self.hasLine, self.started < Self.start.count, !(self.endsWithCR && self.lineLength == 1) else {
            return false
        }
        guard byte == Self.start[self.started] else { throw WireError(.badValue, in: "status line") }
        self.started += 1
        return false
    }
}
