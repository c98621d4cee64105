// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("HTTP inbound: absolute form") struct HTTPForwardTests {
    struct Exchange: CustomTestStringConvertible {
        let testDescription: String
        let request: String
        let open: SessionAction
        let forwarded: String
    }
    static let exchanges = [
        Exchange(
            testDescription: "curl -x",
            request:
                "GET http://example.net:8080/a?b=c HTTP/1.1\r\nHost: example.net:8080\r\nUser-Agent: curl/7.88.1\r\n"
                + "Accept: */*\r\nProxy-Connection: Keep-Alive\r\n\r\n",
            open: .open("example.net", 8080),
            forwarded:
                "GET /a?b=c HTTP/1.1\r\nHost: example.net:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
                + "Via: 1.1 warren\r\nConnection: close\r\n\r\n"
        ),
        Exchange(
            testDescription: "curl -x -d",
            request:
                "POST http://example.net/a HTTP/1.1\r\nHost: example.net\r\nUser-Agent: curl/7.88.1\r\n"
                + "Accept: */*\r\n"
                + "Proxy-Connection: Keep-Alive\r\nContent-Length: 3\r\n"
                + "Content-Type: application/x-www-form-urlencoded\r\n\r\nx=1",
            open: .open("example.net", 80),
            forwarded:
                "POST /a HTTP/1.1\r\nHost: example.net\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
                + "Content-Length: 3\r\nContent-Type: application/x-www-form-urlencoded\r\nVia: 1.1 warren\r\n"
                + "Connection: close\r\n\r\nx=1"
        ),
        Exchange(
            testDescription: "curl -x -d, chunked",
            request:
                "POST http://example.net/a HTTP/1.1\r\nHost: example.net\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "3\r\nx=1\r\n0\r\n\r\n",
            open: .open("example.net", 80),
            forwarded:
                "POST /a HTTP/1.1\r\nHost: example.net\r\nTransfer-Encoding: chunked\r\nVia: 1.1 warren\r\n"
                + "Connection: close\r\n\r\n3\r\nx=1\r\n0\r\n\r\n"
        ),
        Exchange(
            testDescription: "hop-by-hop fields",
            request:
                "PUT http://[2001:db8::1]:81 HTTP/1.1\r\nHost: wrong\r\n"
                + "Connection: close, X-Secret ,Content-Length\r\n"
                + "x-secret: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: Basic YTpi\r\n"
                + "Expect: 100-continue\r\nUpgrade: h2c\r\nTrailer: A\r\nEmpty:\r\nContent-Length: 2\r\n"
                + "content-length: 2\r\nX-Kept:  a  b \t\r\n\r\nok",
            open: .open("2001:db8::1", 81),
            forwarded:
                "PUT / HTTP/1.1\r\nHost: [2001:db8::1]:81\r\nExpect: 100-continue\r\nTrailer: A\r\nEmpty: \r\n"
                + "Content-Length: 2\r\nX-Kept: a  b\r\nVia: 1.1 warren\r\nConnection: close\r\n\r\nok"
        ),
        Exchange(
            testDescription: "HTTP/1.0, which has no 100 Continue",
            request: "GET http://a/ HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", open: .open("a", 80),
            forwarded: "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 warren\r\nConnection: close\r\n\r\n"
        ),
        Exchange(
            testDescription: "behind another proxy",
            request: "GET http://a/ HTTP/1.1\r\nVia: 1.0 fred\r\nConnection: via\r\nMax-Forwards: 0\r\n\r\n",
            open: .open("a", 80),
            forwarded:
                "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 fred\r\nMax-Forwards: 0\r\nVia: 1.1 warren\r\n"
                + "Connection: close\r\n\r\n"
        ),
        Exchange(
            testDescription: "a method of its own, with a limit of hops that is not for it",
            request: "bad-Method!9 http://a/ HTTP/1.1\r\nMax-Forwards: x\r\n\r\n", open: .open("a", 80),
            forwarded: "bad-Method!9 / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\nVia: 1.1 warren\r\n"
                + "Connection: close\r\n\r\n"
        ),
        Exchange(
            testDescription: "OPTIONS on its way",
            request: "OPTIONS http://a HTTP/1.1\r\nmax-forwards: 7\r\n\r\n", open: .open("a", 80),
            forwarded: "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 6\r\nVia: 1.1 warren\r\n"
                + "Connection: close\r\n\r\n"
        ),
    ]

    @Test("forwards one request and no more before its answer, however the bytes arrive", arguments: exchanges)
    func forwards(_ exchange: Exchange) {
        for split in everySplit(Array((exchange.request + "GET http://other/ HTTP/1.1\r\n\r\n").utf8)) {
            #expect(conversation(HTTPProxyServer(openFront), split) == [exchange.open, .deliver(exchange.forwarded)])
        }
    }

    @Test("forwards what comes after the connection, byte by byte", arguments: exchanges)
    func forwardsLate(_ exchange: Exchange) {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        let bytes = Array(exchange.request.utf8)
        for byte in bytes {
            driver.receive([byte])
            driver.accept()
        }
        #expect(driver.take() == [exchange.open, .deliver(exchange.forwarded)])
        // Else nobody would see the user leave.
        #expect(driver.machine.wantsBytes)
    }

    @Test func keepsBytesThatAreNoText() {
        let odd: [UInt8] = [0xE4, 0xFE]
        var request = Array("GET http://a/".utf8)
        request += odd
        request += Array(" HTTP/1.1\r\nA: ".utf8)
        request += odd
        request += Array("\r\n\r\n".utf8)
        var forwarded = Array("GET /".utf8)
        forwarded += odd
        forwarded += Array(" HTTP/1.1\r\nHost: a\r\nA: ".utf8)
        forwarded += odd
        forwarded += Array("\r\nVia: 1.1 warren\r\nConnection: close\r\n\r\n".utf8)
        #expect(
            conversation(HTTPProxyServer(openFront), [request[...]]).last
                == .deliver(StreamID(0), ByteBuffer(bytes: forwarded))
        )
    }

    static func connected(_ request: String = "GET http://a/ HTTP/1.1\r\n\r\n") -> ProxyServerDriver<HTTPProxyServer> {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive(request)
        driver.accept()
        _ = driver.take()
        return driver
    }

    @Test func bringsTheAnswerBack() {
        var driver = Self.connected()
        driver.send("HTTP/1.1 200 OK\r\n\r\n")
        driver.send("body")
        driver.finish()
        #expect(
            driver.take() == [
                .write(Self.closingHead), .write("body"), .end(StreamID(0), nil), .close(.finished),
            ]
        )
    }

    /// Of an answer that ends with the connection.
    static let closingHead = "HTTP/1.1 200 OK\r\nVia: 1.1 warren\r\nConnection: close\r\n\r\n"

    @Test func answersForAnOriginThatSaysNothing() {
        var driver = Self.connected()
        driver.finish()
        let actions = driver.take()
        #expect(actions.first == .end(StreamID(0), nil) && answerStatus(actions.last) == "502 Empty answer")
        #expect(actions.count == 2)
    }

    @Test func answersForAnOriginThatResets() {
        var driver = Self.connected()
        driver.refuse(.aborted)
        let actions = driver.take()
        #expect(actions.count == 1 && answerStatus(actions.first) == "502 Connection reset")
    }

    @Test("passes on what came before a reset, and adds nothing", arguments: [StreamFault.aborted, .idle])
    func addsNothingToHalfAnAnswer(fault: StreamFault) {
        var driver = Self.connected()
        driver.send("HTTP/1.1 200 OK\r\n\r\n")
        driver.writable = false
        driver.send("last")
        _ = driver.take()
        driver.refuse(fault)
        driver.send("lost")
        // Reset, not ended: half an answer must not look like a whole one.
        let sent: [SessionAction] = fault.comesBehindBytes ? [.write("last")] : []
        #expect(driver.take() == sent + [.close(.cutOff(fault))])
    }

    @Test func interimAnswersHaveAnEnd() {
        var driver = Self.connected()
        driver.send(String(repeating: "HTTP/1.1 103 Early Hints\r\n\r\n", count: 100))
        #expect(driver.take().count == 100)
        driver.send("HTTP/1.1 103 Early Hints\r\n\r\n")
        #expect(driver.take().contains { answerStatus($0) == "502 Bad answer" })
    }

    @Test func passesOnAWholeAnswerBeforeAReset() {
        var driver = Self.connected()
        driver.send("HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno")
        driver.refuse(.aborted)
        let actions = driver.take()
        #expect(answerStatus(actions.first) == "413 Too much")
        #expect(!actions.contains { if case .close(.cutOff) = $0 { true } else { false } })
    }

    @Test("the tail of an answer does not wait for its reader when the stream is forgotten, so that it is never lost")
    func writesWhatIsQueuedAtAnOrderlyEnd() {
        var driver = Self.connected()
        driver.writable = false
        driver.send("HTTP/1.1 200 OK\r\n\r\nanswer")
        #expect(driver.take().isEmpty)
        driver.refuse(nil)
        #expect(driver.take() == [.write(Self.closingHead), .write("answer"), .close(.finished)])
    }

    @Test func pausesTheOriginWhileTheUserIsSlow() {
        var driver = Self.connected()
        driver.send("HTTP/1.1 200 OK\r\n\r\n")
        _ = driver.take()
        driver.writable = false
        let piece = String(repeating: "x", count: 32 << 10)
        for _ in 0..<3 { driver.send(piece) }
        #expect(driver.take().isEmpty)
        driver.send(piece)
        #expect(driver.take() == [.pause(StreamID(0))])
        driver.send("more")
        #expect(driver.take().isEmpty)
        driver.writable = true
        driver.pull()
        let actions = driver.take()
        // Everything leaves at once here; the runtime would have stopped in between.
        #expect(actions.filter { $0 == .resume(StreamID(0)) }.count == 1 && actions.count == 6)
    }

    @Test func boundsTheUnreadBody() {
        var driver = Self.connected("POST http://a/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        driver.receive(repeatElement(0, count: (256 << 10) - 1))
        #expect(driver.machine.wantsBytes)
        driver.receive([0])
        #expect(!driver.machine.wantsBytes)
        driver.machine.consumed(1, on: StreamID(0))
        #expect(driver.machine.wantsBytes)
    }

    @Test func abortsABodyThatIsCutOff() {
        var driver = Self.connected("POST http://a/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc")
        driver.receiveEnd()
        let actions = driver.take()
        #expect(actions.first == .end(StreamID(0), .aborted) && answerStatus(actions[1]) == "400 Bad Request")
        #expect(actions.last == .violation(.truncated, "HTTP body"))
    }

    @Test("the user's end is passed on at once: whether to answer is for the origin to judge")
    func passesTheEndOn() {
        var driver = Self.connected()
        driver.receiveEnd()
        #expect(driver.take() == [.finish(StreamID(0))])
        driver.send("HTTP/1.1 204 No Content\r\n\r\n")
        #expect(
            driver.take() == [
                .write(
                    "HTTP/1.1 204 No Content\r\nVia: 1.1 warren\r\n"
                        + "\r\n"), .end(StreamID(0), nil), .close(.finished),
            ]
        )
    }

    @Test func abortsABodyThatIsNotChunked() {
        var driver = Self.connected("POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        driver.send("HTTP/1.1 200 OK\r\n\r\n")
        _ = driver.take()
        driver.receive("3\r\nabcX")
        #expect(driver.take() == [.end(StreamID(0), .aborted), .violation(.badValue, "chunk.end")])
    }
}
