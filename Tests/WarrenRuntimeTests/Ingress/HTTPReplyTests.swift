// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("HTTP inbound: what the origin answers") struct HTTPReplyTests {
    /// What becomes of the user's connection.
    enum Fate { case kept, closed, reset }

    struct Exchange: CustomTestStringConvertible {
        let testDescription: String
        var request = "GET http://a/ HTTP/1.1\r\n\r\n"
        let answer: String
        /// The origin closes behind its answer.
        var finishes = false
        let seen: String
        let fate: Fate
    }

    static let via = "Via: 1.1 warren\r\n"
    static let head = "HEAD http://a/ HTTP/1.1\r\n\r\n"
    static let old = "GET http://a/ HTTP/1.0\r\n\r\n"
    static let keepingOld = "GET http://a/ HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"

    static let whole: [Exchange] = [
        Exchange(
            testDescription: "with a length; fields of the origin's connection are left out",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-A\r\nX-A: 1\r\n"
                + "Keep-Alive: timeout=60\r\n"
                + "Proxy-Connection: keep-alive\r\nProxy-Authenticate: Basic\r\nX-B: 2\r\n\r\nok",
            seen: "HTTP/1.1 200 OK\r\nX-B: 2\r\nContent-Length: 2\r\n\(via)\r\nok", fate: .kept
        ),
        Exchange(
            testDescription: "in chunks, with extensions and trailers",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
            seen: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(via)\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n"
                + "\r\n", fate: .kept
        ),
        Exchange(
            testDescription: "without a length", answer: "HTTP/1.0 200 OK\r\n\r\nbody", finishes: true,
            seen: "HTTP/1.1 200 OK\r\nVia: 1.0 warren\r\nConnection: close\r\n\r\nbody", fate: .closed
        ),
        Exchange(
            testDescription: "without a length and a body", answer: "HTTP/1.1 200 OK\r\n\r\n", finishes: true,
            seen: "HTTP/1.1 200 OK\r\n\(via)Connection: close\r\n\r\n", fate: .closed
        ),
        Exchange(
            testDescription: "more than it says",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
                + "okHTTP/1.1 200 OK\r\n\r\n",
            seen: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(via)\r\nok", fate: .kept
        ),
        Exchange(
            testDescription: "HEAD", request: head,
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nnever",
            seen: "HTTP/1.1 200 OK\r\n"
                + "Content-Length: 99\r\n\(via)\r\n",
            fate: .kept
        ),
        Exchange(
            testDescription: "HEAD of chunks", request: head,
            answer: "HTTP/1.1 200 OK\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n",
            seen: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(via)\r\n", fate: .kept
        ),
        Exchange(
            testDescription: "204 has no framing",
            answer: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n",
            seen: "HTTP/1.1 204 No Content\r\n\(via)\r\n", fate: .kept
        ),
        Exchange(
            testDescription: "304 says a length and has no body",
            answer: "HTTP/1.1 304 Not Modified\r\n"
                + "Content-Length: 5\r\n\r\n",
            seen: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\(via)\r\n", fate: .kept
        ),
        Exchange(
            testDescription: "interim answers first",
            answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"
                + "Connection: x\r\nX: 1\r\n\r\n"
                + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            seen: "HTTP/1.1 100 Continue\r\n\(via)\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\(via)\r\n"
                + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(via)\r\n",
            fate: .kept
        ),
        Exchange(
            testDescription: "HTTP/1.0 closes unless asked", request: old,
            answer: "HTTP/1.1 200 OK\r\n"
                + "Content-Length: 2\r\n\r\nok",
            seen: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(via)Connection: close\r\n\r\nok", fate: .closed
        ),
        Exchange(
            testDescription: "HTTP/1.0 keeps when asked, and is told", request: keepingOld,
            answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            seen: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\(via)Connection: keep-alive\r\n\r\nok", fate: .kept
        ),
        Exchange(
            testDescription: "HTTP/1.0 gets no chunks", request: keepingOld,
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nX: y\r\n\r\n",
            seen: "HTTP/1.1 200 OK\r\n\(via)Connection: close\r\n\r\nabcde", fate: .closed
        ),
        Exchange(
            testDescription: "a user who wants to close",
            request: "GET http://a/ HTTP/1.1\r\n"
                + "Connection: Close\r\n\r\n",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            seen: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(via)Connection: close\r\n\r\n", fate: .closed
        ),
        Exchange(
            testDescription: "sloppy lines are written anew",
            answer: "\r\nHTTP/1.1 200\nServer : x\nnonsense\n: y\nX: a\0b\rc\r\n folded\r\n\tmore\r\n"
                + "Content-Length: 2, 2\nContent-Length: 2\n\nok",
            seen: "HTTP/1.1 200 \r\nServer: x\r\nX: a b c folded more\r\nContent-Length: 2\r\n\(via)\r\n"
                + "ok", fate: .kept
        ),
        Exchange(
            testDescription: "a length beside chunks is void",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
            seen: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\(via)\r\n0\r\n\r\n", fate: .kept
        ),
        Exchange(
            testDescription: "another coding ends with the connection",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nzz", finishes: true,
            seen: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\(via)Connection: close\r\n\r\nzz", fate: .closed
        ),
        Exchange(
            testDescription: "\"identity\" is no coding",
            answer: "HTTP/1.1 200 OK\r\n"
                + "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nz",
            seen: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\(via)\r\nz", fate: .kept
        ),
        Exchange(
            testDescription: "Via of others stays",
            answer: "HTTP/1.0 999 Odd\r\nVia: 1.1 b\r\n"
                + "Content-Length: 0\r\n\r\n",
            seen: "HTTP/1.1 999 Odd\r\nVia: 1.1 b\r\nContent-Length: 0\r\nVia: 1.0 warren\r\n\r\n", fate: .kept
        ),
    ]

    static let cutOff: [Exchange] = [
        Exchange(
            testDescription: "less than it says",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
                + "ok", finishes: true,
            seen: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\(via)\r\nok", fate: .reset
        ),
        Exchange(
            testDescription: "no last chunk",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "2\r\nok\r\n", finishes: true,
            seen: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(via)\r\n2\r\nok\r\n", fate: .reset
        ),
        Exchange(
            testDescription: "no last line",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "0\r\n", finishes: true,
            seen: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(via)\r\n0\r\n", fate: .reset
        ),
        Exchange(
            testDescription: "no last chunk, for HTTP/1.0", request: keepingOld,
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", finishes: true,
            seen: "HTTP/1.1 200 OK\r\n\(via)Connection: close\r\n\r\nok", fate: .reset
        ),
    ]

    @Test("passes answers on, however they arrive", arguments: whole + cutOff)
    func passesOn(_ exchange: Exchange) {
        for split in everySplit(Array(exchange.answer.utf8)) {
            var driver = HTTPForwardTests.connected(exchange.request)
            for piece in split {
                driver.machine.send(ByteBuffer(bytes: piece), on: StreamID(0))
                driver.pull()
            }
            if exchange.finishes { driver.finish() }
            let actions = driver.take()
            #expect(written(actions) == exchange.seen)
            switch exchange.fate {
            case .kept: #expect(actions.last == .end(StreamID(0), nil))
            case .closed: #expect(actions.suffix(2) == [.end(StreamID(0), nil), .close(.finished)])
            case .reset: #expect(actions.suffix(2) == [.end(StreamID(0), .aborted), .close(.cutOff(.aborted))])
            }
        }
    }

    @Test(
        "what is no HTTP, or ambiguous, is answered in its place",
        arguments: [
            "SSH-2.0-x\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n"
                + "\r\n", "HTTP/1.1\r\n\r\n",
            "HTTP/1.x 200 OK\r\n\r\n", "HTTP/1.11 200 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n"
                + "\r\n", "http/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\n"
                + "Content-Length: 1, 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nbad",
        ]
    )
    func refuses(_ answer: String) {
        for split in everySplit(Array(answer.utf8)) {
            var driver = HTTPForwardTests.connected()
            for piece in split {
                driver.machine.send(ByteBuffer(bytes: piece), on: StreamID(0))
                driver.pull()
            }
            let text = written(driver.actions).replacing("HTTP/1.1 100 Continue\r\n\(Self.via)\r\n", with: "")
            #expect(text.hasPrefix("HTTP/1.1 502 Bad answer\r\n"))
            #expect(driver.take().contains(.end(StreamID(0), .aborted)))
        }
    }

    @Test("a coding beside chunks does not reach a user who cannot read chunks")
    func refusesCodingsForOldUsers() {
        var driver = HTTPForwardTests.connected(Self.old)
        driver.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
        #expect(written(driver.take()).hasPrefix("HTTP/1.1 502 Bad answer\r\n"))
    }

    @Test func breaksOffAtABrokenChunk() {
        var driver = HTTPForwardTests.connected()
        driver.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
        #expect(driver.take().suffix(2) == [.end(StreamID(0), .aborted), .close(.cutOff(.aborted))])
    }

    @Test("half a head is no answer", arguments: ["H", "HTTP/1.1 200 OK\r\nA: b\r\n"])
    func answersForHalfAHead(_ half: String) {
        var driver = HTTPForwardTests.connected()
        driver.send(half)
        driver.finish()
        #expect(written(driver.take()).hasPrefix("HTTP/1.1 502 Bad answer\r\n"))
    }

    @Test("a whole answer whose user cannot be written to is not taken for half a head when the origin ends")
    func waitsToBeLookedAt() {
        var driver = HTTPForwardTests.connected()
        driver.writable = false
        driver.send("HTTP/1.1 200 OK\r\n\r\nbody")
        driver.finish()
        #expect(driver.take().isEmpty)
        driver.writable = true
        driver.pull()
        #expect(written(driver.take()) == HTTPForwardTests.closingHead + "body")
    }

    @Test func boundsTheHead() {
        var driver = HTTPForwardTests.connected()
        driver.send("HTTP/1.1 200 OK\r\n")
        var sent = 0
        while driver.actions.isEmpty, sent < 1 << 20 {
            driver.machine.send(
                ByteBuffer(string: "A: " + String(repeating: "b", count: 4000) + "\r\n"), on: StreamID(0))
            // Whole pulls would be paused; the machine alone is of interest.
            if let action = driver.machine.next(now: driver.now, writable: true), action != .pause(StreamID(0)) {
                break
            }
            sent += 4005
        }
        #expect((200_000..<400_000).contains(sent))
    }
}
