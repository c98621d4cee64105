// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The head of an origin's answer.
///
/// What is passed on is written anew and is strict: the user cannot read it in another way than we did.
struct HTTPResponse: Hashable {
    let code: Int
    /// Without control characters; may be empty.
    let reason: ByteBufferView
    let minorVersion: Int
    let fields: [HTTPField]

    /// - Parameter head: all of it with the last empty line, as ``HTTPHeadScan`` has found it.
    /// - Throws: ``WireError`` for what is no HTTP/1 at all.
    init(_ head: ByteBufferView) throws(WireError) {
        let head = HTTPHead(answer: head)
        let words = head.words(most: 3)
        guard let version = words.first, let number = words.dropFirst().first,
            version.count == 8, version.starts(with: "HTTP/1.".utf8), let minor = version.last, minor.isDigit,
            number.count == 3, let code = number.decimal, code >= 100
        else { throw WireError(.badValue, in: "status line") }
        self.code = code
        self.minorVersion = minor == UInt8(ascii: "0") ? 0 : 1
        self.reason = words.dropFirst(2).first?.withoutControls ?? head.line.suffix(0)
        self.fields = head.fields
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
            self.fields.named("content-length")
                .flatMap { $0.value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) }
                .map { Array($0.trimmed) }
        )
        guard let first = lengths.first else { return nil }
        guard lengths.count == 1, let count = first.decimal else {
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
            for field in self.fields.named("upgrade") { head.writeField(field) }
        }
        if let connection { head.writeString(connection.field) }
        head.writeString("\r\n")
        return head
    }
}

extension HTTPHeadScan {
    /// Bytes of an answer's status line and fields with their line ends, as much as browsers take.
    static let longestAnswer = 256 << 10
    static var answer: HTTPHeadScan { HTTPHeadScan(.answer, most: Self.longestAnswer) }
    static var request: HTTPHeadScan { HTTPHeadScan(.request, most: ProxyServerConfiguration.longestHead) }

    /// The length of an answer's head, as ``length(in:)`` finds it.
    ///
    /// - Throws: ``WireError`` as soon as the bytes cannot become a head.
    mutating func answerLength(in input: ByteBuffer) throws(WireError) -> Int? {
        do throws(HTTPFlaw) {
            return try self.length(in: input)
        } catch {
            throw error == .tooLarge
                ? WireError(.tooLong, in: "answer head") : WireError(.badValue, in: "status line")
        }
    }
}
