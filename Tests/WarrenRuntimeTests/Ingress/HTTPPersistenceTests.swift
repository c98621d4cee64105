// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("HTTP inbound: one request after the other") struct HTTPPersistenceTests {
    static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    static let okSeen = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nVia: 1.1 warren\r\n\r\n"

    static func get(_ host: String) -> String { "GET http://\(host)/ HTTP/1.1\r\n\r\n" }
    static func asked(_ host: String) -> String {
        "GET / HTTP/1.1\r\nHost: \(host)\r\nVia: 1.1 warren\r\nConnection: close\r\n\r\n"
    }

    @Test(
        "serves the next request, to the same origin or another, with empty lines between or not",
        arguments: ["", "\r\n", "\r\n\r\n"])
    func servesTheNext(_ between: String) {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        for (index, host) in ["a", "a", "b"].enumerated() {
            let id = UInt32(index)
            driver.receive(Self.get(host))
            driver.accept()
            driver.send(Self.ok)
            driver.receive(between)
            #expect(
                driver.take() == [
                    .open(host, 80, as: id), .deliver(Self.asked(host), on: id), .write(Self.okSeen), .write("ok"),
                    .end(StreamID(id), nil),
                ]
            )
        }
        driver.receive("CONNECT c:1 HTTP/1.1\r\n\r\nearly")
        driver.accept()
        #expect(
            driver.take() == [
                .open("c", 1, as: 3), .write(HTTPProxyServerTests.established), .handOver("early", of: 3),
            ]
        )
    }

    @Test("requests that come together are answered in order, in any pieces")
    func servesAPipeline() {
        let post = "POST http://b/ HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
        for split in everySplit(Array((Self.get("a") + post + Self.get("c")).utf8)) {
            var driver = ProxyServerDriver(HTTPProxyServer(openFront))
            for piece in split { driver.receive(piece) }
            #expect(driver.take() == [.open("a", 80)])
            driver.accept()
            driver.send(Self.ok)
            driver.accept()
            driver.send(Self.ok)
            driver.accept()
            driver.send(Self.ok)
            #expect(
                driver.take() == [
                    .deliver(Self.asked("a")), .write(Self.okSeen), .write("ok"), .end(StreamID(0), nil),
                    .open("b", 80, as: 1),
                    .deliver(
                        "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\nVia: 1.1 warren\r\n"
                            + "Connection: close\r\n\r\nabc",
                        on: 1
                    ), .write(Self.okSeen), .write("ok"), .end(StreamID(1), nil),
                    .open("c", 80, as: 2), .deliver(Self.asked("c"), on: 2), .write(Self.okSeen), .write("ok"),
                    .end(StreamID(2), nil),
                ]
            )
        }
    }

    @Test("a user who reads nothing gets no further answers, and is not read without end")
    func waitsForAReader() {
        var driver = HTTPForwardTests.connected()
        driver.send(Self.ok)
        _ = driver.take()
        driver.writable = false
        driver.receive(Self.get("b"))
        #expect(driver.take().isEmpty)
        driver.receive(repeatElement(0x41, count: 65536))
        #expect(!driver.machine.wantsBytes)
        driver.writable = true
        driver.pull()
        #expect(driver.take() == [.open("b", 80, as: 1)])
    }

    @Test("words for a request before this one are nobody's")
    func forgetsTheLastOrigin() {
        var driver = HTTPForwardTests.connected()
        driver.send(Self.ok)
        driver.receive(Self.get("b"))
        _ = driver.take()
        driver.machine.accept(StreamID(0))
        driver.machine.reset(StreamID(0), .aborted)
        driver.pull()
        #expect(driver.take().isEmpty)
        driver.accept()
        driver.machine.send(ByteBuffer(string: Self.ok), on: StreamID(0))
        driver.machine.finish(StreamID(0))
        driver.machine.reset(StreamID(0), nil)
        driver.pull()
        #expect(driver.take() == [.deliver(Self.asked("b"), on: 1)])
    }

    @Test("an answer before the request's end is the connection's last")
    func closesAfterAnEarlyAnswer() {
        var driver = HTTPForwardTests.connected("POST http://a/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
        driver.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        #expect(
            driver.take() == [
                .write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nVia: 1.1 warren\r\nConnection: close\r\n\r\n"),
                .end(StreamID(0), nil), .close(.finished),
            ]
        )
    }

    @Test("100 Continue comes before the body that waits for it, and the connection is kept")
    func continues() {
        var driver = HTTPForwardTests.connected(
            "POST http://a/ HTTP/1.1\r\nExpect: 100-continue\r\n"
                + "Content-Length: 3\r\n\r\n")
        driver.send("HTTP/1.1 100 Continue\r\n\r\n")
        #expect(driver.take() == [.write("HTTP/1.1 100 Continue\r\nVia: 1.1 warren\r\n\r\n")])
        driver.receive("abc")
        driver.send(Self.ok)
        #expect(
            driver.take() == [.deliver("abc"), .write(Self.okSeen), .write("ok"), .end(StreamID(0), nil)]
        )
    }

    @Test("each request is judged on its own")
    func judgesEach() {
        var driver = ProxyServerDriver(HTTPProxyServer(lockedFront))
        driver.receive("GET http://a/ HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\n\r\n")
        driver.accept()
        driver.send(Self.ok)
        _ = driver.take()
        driver.receive(Self.get("b"))
        let actions = driver.take()
        #expect(answerStatus(actions.first) == "407 Proxy Authentication Required")
        #expect(actions.last == .close(.denied))
    }

    @Test("after a refusal the next request is served, unless a body is still to come")
    func goesOnAfterARefusal() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive(Self.get("a") + Self.get("b") + "POST http://c/ HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        driver.refuse(.refused)
        driver.refuse(.unknownHost)
        driver.refuse(.refused)
        let actions = driver.take()
        #expect(
            actions.compactMap { if case .write = $0 { answerStatus($0) } else { nil } } == [
                "502 Connection refused", "502 Unknown host", "502 Connection refused",
            ])
        #expect(actions.last == .close(.finished))
        #expect(written(Array(actions.dropLast().suffix(1))).contains("Connection: close\r\n"))
    }
}

@Suite("HTTP inbound: time and the last hop") struct HTTPRestTests {
    static func rested(_ said: String = "Proxy-Connection: Keep-Alive\r\n") -> ProxyServerDriver<HTTPProxyServer> {
        var driver = HTTPForwardTests.connected("GET http://a/ HTTP/1.1\r\n\(said)\r\n")
        driver.send(HTTPPersistenceTests.ok)
        _ = driver.take()
        return driver
    }

    @Test(
        "a connection without a further request ends without a word, and soon if nobody has asked for one",
        arguments: [("", TimeAmount.seconds(2)), ("Connection: keep-alive\r\n", .minutes(2))])
    func endsWithoutAWord(said: String, timeout: TimeAmount) {
        var driver = Self.rested(said)
        driver.now = driver.now + timeout - .nanoseconds(1)
        driver.pull()
        #expect(driver.take().isEmpty)
        driver.now = driver.now + .nanoseconds(1)
        driver.pull()
        #expect(driver.take() == [.close(.finished)])
    }

    @Test func halfAFurtherRequestHasTheTimeOfAFirstOne() {
        var driver = Self.rested()
        driver.now = driver.now + .seconds(60)
        driver.receive("GET ")
        driver.now = driver.now + .seconds(10)
        driver.pull()
        let actions = driver.take()
        #expect(answerStatus(actions.first) == "408 Request Timeout")
        #expect(actions.last == .close(.timedOut(phase: "HTTP request")))
    }

    @Test("who is still busy with the last answer has time for the next request, though not for ever")
    func waitsForASlowReader() {
        var driver = Self.rested()
        driver.writable = false
        driver.receive(HTTPPersistenceTests.get("b"))
        for _ in 0..<20 {
            driver.now = driver.now + .minutes(2)
            driver.pull()
        }
        #expect(driver.take().isEmpty)
        driver.writable = true
        driver.pull()
        #expect(driver.take() == [.open("b", 80, as: 1)])

        driver = Self.rested()
        driver.writable = false
        for _ in 0..<32 {
            driver.now = driver.now + .minutes(2)
            driver.pull()
        }
        #expect(driver.take() == [.close(.finished)])
    }

    @Test func aUserWhoLeavesBetweenRequestsEndsIt() {
        var driver = Self.rested()
        driver.receiveEnd()
        #expect(driver.take() == [.close(.finished)])
    }

    @Test("while the user has a part of an answer, the end from outside must not look like its end")
    func saysWhatAnEndWouldLookLike() {
        var driver = HTTPForwardTests.connected()
        #expect(driver.machine.mayEndInOrder)
        driver.send("HTTP/1.1 100 Continue\r\n\r\n")
        #expect(driver.machine.mayEndInOrder)
        driver.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        #expect(!driver.machine.mayEndInOrder)
        driver.send("k")
        #expect(driver.machine.mayEndInOrder)
    }

    @Test("the last hop answers by itself, and goes on")
    func answersAtTheLastHop() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive("OPTIONS http://a HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n")
        #expect(driver.take() == [.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")])
        driver.receive(
            "TRACE http://a/x HTTP/1.1\r\nMax-Forwards: 0\r\nCookie: c\r\nAuthorization: d\r\nX: 1\r\n"
                + "Proxy-Authorization: e\r\n\r\n"
        )
        let echo = "TRACE http://a/x HTTP/1.1\r\nMax-Forwards: 0\r\nX: 1\r\n\r\n"
        #expect(
            driver.take() == [
                .write(
                    "HTTP/1.1 200 OK\r\nContent-Type: message/http\r\n"
                        + "Content-Length: \(echo.utf8.count)\r\n\r\n\(echo)")
            ]
        )
        driver.receive(HTTPPersistenceTests.get("b"))
        #expect(driver.take().count == 1)
    }

    @Test("a limit of hops that is no number is refused", arguments: ["", "x", "-1", "1\r\nMax-Forwards: 1"])
    func refusesBadLimits(_ limit: String) {
        let request = "TRACE http://a/ HTTP/1.1\r\nMax-Forwards: \(limit)\r\n\r\n"
        #expect(
            answerStatus(conversation(HTTPProxyServer(openFront), [Array(request.utf8)[...]]).first)
                == "400 Bad Request")
    }
}
