// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenCore

@Suite("HTTP heads") struct HTTPHeadTests {
    /// What a scan of bytes that arrive in these pieces finds.
    static func scan(_ kind: HTTPHeadScan.Kind, _ pieces: [some Collection<UInt8>], most: Int = 1024) -> Result<
        Int?, HTTPFlaw
    > {
        var scan = HTTPHeadScan(kind, most: most)
        var input = ByteBuffer()
        for piece in pieces {
            input.writeBytes(piece)
            do throws(HTTPFlaw) {
                if let length = try scan.length(in: input) { return .success(length) }
            } catch {
                return .failure(error)
            }
        }
        return .success(nil)
    }

    static let request = "\r\nGET http://a/ HTTP/1.1\r\nHost: a\r\nAccept:\t b, c \r\n\r\n"
    static let answer = "\nHTTP/1.1 200 OK\nServer : x\ty\n\tz\nnonsense\r\nA: 1\r\n\n"

    @Test("a head ends at the same place however it is cut", arguments: [request, answer])
    func endsAtTheSamePlace(_ text: String) {
        let kind: HTTPHeadScan.Kind = text == Self.request ? .request : .answer
        let bytes = Array(text.utf8)
        let next = Array("GET / HTTP/1.1\r\n".utf8)
        for cut in 0...bytes.count {
            let pieces = [Array(bytes[..<cut]), bytes[cut...] + next]
            #expect(Self.scan(kind, pieces) == .success(bytes.count))
        }
        #expect(Self.scan(kind, bytes.map { [$0] }) == .success(bytes.count))
        #expect(Self.scan(kind, [bytes.dropLast()]) == .success(nil))
    }

    @Test(
        "what can become no request is told at its first wrong byte",
        arguments: [
            ("\u{16}", HTTPFlaw.controlCharacter), (" ", .notHTTP), ("(", .notHTTP), ("é", .notHTTP),
            ("GET /\n", .bareLineFeed), ("GET /\rX", .loneReturn), ("GET /\r\r", .loneReturn), ("\n", .bareLineFeed),
            ("GET /\u{0}", .controlCharacter), ("GET /\u{7F}", .controlCharacter),
            ("GET / HTTP/1.1\r\nA: b\n", .bareLineFeed), ("GET / HTTP/1.1\r\nA: b\r\n\n", .bareLineFeed),
        ])
    func tellsBadRequests(_ text: String, _ flaw: HTTPFlaw) {
        #expect(Self.scan(.request, [text.utf8]) == .failure(flaw))
        #expect(Self.scan(.request, text.utf8.map { [$0] }) == .failure(flaw))
        #expect(Self.scan(.request, [text.utf8.dropLast()]) == .success(nil) || text == "é")
    }

    @Test(
        "what can become no answer is told at its first wrong byte",
        arguments: ["SSH", "HTTP/2", "\rH", " HTTP/1.1", "H\rT"])
    func tellsBadAnswers(_ text: String) {
        #expect(Self.scan(.answer, text.utf8.map { [$0] }) == .failure(.notHTTP))
    }

    @Test(
        "a head that is too large is told at the byte after its limit", arguments: [HTTPHeadScan.Kind.request, .answer])
    func tellsLargeHeads(_ kind: HTTPHeadScan.Kind) {
        let text = "HTTP/1.1 200 OK\r\nA: " + String(repeating: "b", count: 100)
        #expect(Self.scan(kind, [text.utf8], most: text.utf8.count) == .success(nil))
        #expect(Self.scan(kind, [text.utf8], most: text.utf8.count - 1) == .failure(.tooLarge))
    }

    @Test func aRequestIsTakenApart() throws {
        let head = try HTTPHead(request: ByteBuffer(string: Self.request).readableBytesView)
        #expect(head.words(most: 4).map { String(decoding: $0, as: UTF8.self) } == ["GET", "http://a/", "HTTP/1.1"])
        #expect(head.fields.map(\.key) == ["host", "accept"])
        #expect(head.fields.words("accept") == ["b", "c"])
        #expect(head.fields.only("host")?.value.elementsEqual("a".utf8) == true)
    }

    @Test(
        "a request is not forgiven a line that can be read in two ways",
        arguments: [
            (" folded", HTTPFlaw.folded), ("\tfolded", .folded), ("A : b", .noField), (": b", .noField),
            ("A", .noField),
            ("A b: c", .noField), ("Ä: b", .noField), ("A: \u{0}", .controlCharacter), ("A: b\rc", .loneReturn),
            ("\rA: b", .loneReturn),
        ])
    func requestsAreNotForgiven(_ line: String, _ flaw: HTTPFlaw) {
        let head = ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n").readableBytesView
        #expect(throws: flaw) { try HTTPHead(request: head) }
    }

    @Test func aRequestIsNotForgivenABareLineFeed() {
        let head = ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n").readableBytesView
        #expect(throws: HTTPFlaw.bareLineFeed) { try HTTPHead(request: head) }
    }

    @Test func anAnswerIsForgivenWhatOldOriginsWrite() {
        let head = HTTPHead(answer: ByteBuffer(string: Self.answer).readableBytesView)
        #expect(head.words(most: 3).map { String(decoding: $0, as: UTF8.self) } == ["HTTP/1.1", "200", "OK"])
        #expect(head.fields.map(\.name) == ["Server", "A"])
        #expect(head.fields.map { String(decoding: $0.value, as: UTF8.self) } == ["x\ty z", "1"])
    }

    @Test func controlCharactersOfAnAnswerBecomeSpaces() {
        let head = HTTPHead(
            answer: ByteBuffer(string: "HTTP/1.1 200 OK\r\nA: b\u{0}\rc\r\n d\u{1B}e\r\n\r\n").readableBytesView)
        #expect(head.fields.map { String(decoding: $0.value, as: UTF8.self) } == ["b  c d e"])
    }

    @Test func oneOfTwoFieldsIsNotChosen() throws {
        let head = try HTTPHead(
            request: ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n").readableBytesView)
        #expect(head.fields.only("host") == nil)
        #expect(head.fields.named("host").count == 2)
    }

    @Test func onlyASCIILettersHaveACase() {
        #expect("WebSocket".utf8.equalsIgnoringCase("websocket"))
        #expect(!"websoc\u{212A}et".utf8.equalsIgnoringCase("websocket"))
        #expect(!"@".utf8.equalsIgnoringCase("`"))
    }

    @Test("numbers are digits and nothing else", arguments: ["", "+1", "-1", "1 ", "٣", "0x1", "1234567890123456789"])
    func numbersAreDigits(_ text: String) { #expect(text.utf8.decimal == nil) }

    @Test func numbersFitIntoAnInt() { #expect("999999999999999999".utf8.decimal == 999_999_999_999_999_999) }

    @Test(
        "a list's entries stand between commas",
        arguments: [
            ("a,b", ["a", "b"]), (" a ,\tb ", ["a", "b"]), ("a,,b", ["a", "b"]), ("a, ,b", ["a", "", "b"]), ("", []),
            (",", []),
        ])
    func listsAreSplit(_ text: String, _ entries: [String]) {
        let listed = ByteBuffer(string: text).readableBytesView.listed
        #expect(listed.map { String(decoding: $0, as: UTF8.self) } == entries)
    }

    @Test func linesTellWhetherTheyAreWhole() {
        var lines = HTTPLines(ByteBuffer(string: "a\r\n\r\nb\nc\r").readableBytesView)
        let read = [lines.next(), lines.next(), lines.next(), lines.next(), lines.next()]
        #expect(read.map { $0.map { String(decoding: $0.text, as: UTF8.self) } } == ["a", "", "b", "c", nil])
        #expect(read.map { $0?.isEnded } == [true, true, true, false, nil])
        #expect(lines.hasBareLineFeed)
        #expect(lines.isAtEnd)
    }

    @Test func anyBytesAreScannedAndReadWithoutATrap() {
        var random = SeededRandom(7)
        let words = ["\r", "\n", "\r\n", " ", ":", "a", "HTTP/1.1", "GET", "\u{0}", "é", ",", "\t"]
        for _ in 0..<4000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in words.randomElement(using: &random) ?? ""
            }.joined()
            let bytes = ByteBuffer(string: text)
            let kind: HTTPHeadScan.Kind = Bool.random(using: &random) ? .request : .answer
            let whole = Self.scan(kind, [text.utf8])
            #expect(whole == Self.scan(kind, text.utf8.map { [$0] }))
            _ = HTTPHead(answer: bytes.readableBytesView)
            // Whatever the scan lets pass has lines that end as it has seen them.
            guard kind == .request, case .success(let length?) = whole else { continue }
            do {
                _ = try HTTPHead(request: bytes.readableBytesView.prefix(length))
            } catch {
                #expect(error == .folded || error == .noField)
            }
        }
    }
}
