// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("HTTP inbound: the request") struct HTTPProxyServerTests {
    static let established = "HTTP/1.1 200 Connection established\r\n\r\n"
    // curl 7.88 -p -x http://alice:secret@… http://example.net/
    static let curlConnect =
        "CONNECT example.net:80 HTTP/1.1\r\nHost: example.net:80\r\n"
        + "Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\nUser-Agent: curl/7.88.1\r\n"
        + "Proxy-Connection: Keep-Alive\r\n\r\n"

    static let tunnels: [(String, SessionAction)] = [
        (curlConnect, .open("example.net", 80)),
        // curl 7.88 -p -x http://… http://[::1]:81/
        (
            "CONNECT [::1]:81 HTTP/1.1\r\nHost: [::1]:81\r\nUser-Agent: curl/7.88.1\r\n"
                + "Proxy-Connection: Keep-Alive\r\n\r\n",
            .open("::1", 81)
        ),
        // RFC 9110, section 9.3.6.
        (
            "CONNECT server.example.com:80 HTTP/1.1\r\nHost: server.example.com\r\n"
                + "\r\n", .open("server.example.com", 80)
        ),
        ("CONNECT 192.0.2.7:443 HTTP/1.0\r\n\r\n", .open("192.0.2.7", 443)),
        ("\r\nCONNECT a:1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", .open("a", 1)),
        ("\r\n\r\n\r\nCONNECT a:1 HTTP/1.1\r\n\r\n", .open("a", 1)),
    ]

    @Test("tunnels, however the bytes arrive", arguments: tunnels)
    func opensTunnels(_ request: String, _ open: SessionAction) {
        for split in everySplit(Array((request + "early").utf8)) {
            #expect(
                conversation(HTTPProxyServer(openFront), split) == [open, .write(Self.established), .handOver("early")]
            )
        }
    }

    @Test func tunnelsWithALogin() {
        for split in everySplit(Array(Self.curlConnect.utf8)) {
            #expect(
                conversation(HTTPProxyServer(lockedFront), split) == [
                    .authenticate("alice", "secret"), .open("example.net", 80), .write(Self.established), .handOver(""),
                ]
            )
        }
    }

    static let loginWanted =
        "HTTP/1.1 407 Proxy Authentication Required\r\n"
        + "Proxy-Authenticate: Basic realm=\"warren\", charset=\"UTF-8\"\r\n"
        + "Content-Type: text/plain; charset=utf-8\r\n"
        + "Content-Length: 45\r\nConnection: close\r\n\r\nThis proxy wants a user name and a password.\n"

    @Test(
        "asks for the login that is missing",
        arguments: [
            "", "Proxy-Authorization: Bearer x\r\n", "Proxy-Authorization: Basic !\r\n",
            "Authorization: Basic YTpi\r\n",
        ]
    )
    func asksForLogin(_ field: String) {
        let request = "CONNECT a:1 HTTP/1.1\r\n\(field)\r\n"
        let actions = conversation(HTTPProxyServer(lockedFront), [Array(request.utf8)[...]])
        #expect(actions.count == 2 && actions.last == .close(.denied))
        #expect(answerStatus(actions.first) == "407 Proxy Authentication Required")
    }

    @Test func deniesAWrongPassword() {
        let actions = conversation(HTTPProxyServer(lockedFront), [Array(Self.curlConnect.utf8)[...]], verdict: .denied)
        #expect(actions == [.authenticate("alice", "secret"), .write(Self.loginWanted), .close(.denied)])
    }

    static let refusals: [(StreamFault?, String)] = [
        (.refused, "502 Connection refused"), (.unreachable, "502 Host unreachable"),
        (.unknownHost, "502 Unknown host"),
        (.timedOut, "504 Connection timed out"), (.notAllowed, "403 Destination not allowed"),
        (.limit, "503 Limit reached"), (.stalled, "504 Idle for too long"), (.idle, "504 Idle for too long"),
        (.aborted, "502 Connection reset"), (.sessionLost, "503 Tunnel lost"), (.noExit, "503 No exit"),
        (.noServer, "503 Server unavailable"), (.unsupported, "501 Not supported"),
        (.shutdown, "503 Shutting down"), (.failed, "502 Connection failed"), (nil, "502 Connection failed"),
    ]

    @Test("answers each fault with its status", arguments: refusals)
    func answersFaults(_ fault: StreamFault?, _ expected: String) {
        for request in [Self.curlConnect, "GET http://example.net/ HTTP/1.1\r\n\r\n"] {
            var driver = ProxyServerDriver(HTTPProxyServer(openFront))
            driver.receive(request)
            _ = driver.take()
            driver.refuse(fault)
            let actions = driver.take()
            // A tunnel that was refused is followed by nothing; after another request the next one is waited for.
            #expect(actions.dropFirst() == (request == Self.curlConnect ? [.close(.finished)] : []))
            #expect(answerStatus(actions.first) == expected)
            driver.receive("more")
            driver.send("more")
            driver.accept()
            #expect(driver.take().isEmpty)
        }
    }

    @Test func answersInOneCompleteResponse() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive(Self.curlConnect)
        driver.refuse(.refused)
        #expect(
            driver.take().dropFirst().first
                == .write(
                    "HTTP/1.1 502 Connection refused\r\nProxy-Status: warren; error=connection_refused\r\n"
                        + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 39\r\nConnection: close\r\n\r\n"
                        + "example.net:80 refused the connection.\n"
                )
        )
    }

    @Test func answersHEADWithoutABody() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive("HEAD http://example.net/ HTTP/1.1\r\n\r\n")
        driver.refuse(.refused)
        guard case .write(let answer)? = driver.take().dropFirst().first else {
            Issue.record("no answer")
            return
        }
        #expect(String(buffer: answer).hasSuffix("Content-Length: 39\r\n\r\n"))
    }

    static let bad: [(String, String)] = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"), ("OPTIONS * HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 HTTP Version Not Supported"),
        ("GET http://a/ HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported"),
        ("GET http://a/ HTTX/1.1\r\n\r\n", "400 Bad Request"),
        ("GET http://a/\r\n\r\n", "400 Bad Request"), ("GET  http://a/ HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET http://a/ b HTTP/1.1\r\n\r\n", "400 Bad Request"),
        (
            "GET http://a/\tHTTP/1.1\r\n"
                + "\r\n", "400 Bad Request"
        ),
        ("G(T http://a/ HTTP/1.1\r\n\r\n", "400 Bad Request"), ("GET http://a/ HTTP/1.1\n\n", "400 Bad Request"),
        ("GET http://a/ HTTP/1.1\r\nA: b\rc\r\n\r\n", "400 Bad Request"),
        ("GET http://a/ HTTP/1.1\r\nA: \0\r\n\r\n", "400 Bad Request"),
        ("GET http://a/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "400 Bad Request"),
        ("GET http://a/ HTTP/1.1\r\nA : b\r\n\r\n", "400 Bad Request"),
        ("GET http://a/ HTTP/1.1\r\n: b\r\n\r\n", "400 Bad Request"),
        ("GET http://a/ HTTP/1.1\r\nA\r\n\r\n", "400 Bad Request"),
        ("GET http://a/ HTTP/1.1\r\nÄ: b\r\n\r\n", "400 Bad Request"),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 Bad Request"),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400 Bad Request"),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request"),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", "400 Bad Request"),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400 Bad Request"),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n", "400 Bad Request"),
        ("POST http://a/ HTTP/1.1\r\nContent-Length:\r\n\r\n", "400 Bad Request"),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n", "400 Bad Request"),
        ("POST http://a/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501 Not Implemented"),
        ("POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chun\u{212A}ed\r\n\r\n", "501 Not Implemented"),
        ("POST http://a/ HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", "501 Not Implemented"),
        ("POST http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request"),
        ("CONNECT a:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "400 Bad Request"),
        ("CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request"),
        ("\u{16}\u{3}\u{1}", "400 Bad Request"), ("\u{0}", "400 Bad Request"), (" GET", "400 Bad Request"),
    ]

    @Test("answers bad requests, however the bytes arrive", arguments: bad)
    func answersBad(_ request: String, _ expected: String) {
        for split in everySplit(Array(request.utf8)) {
            let actions = conversation(HTTPProxyServer(openFront), split)
            #expect(actions.count == 2)
            #expect(answerStatus(actions.first) == expected)
            guard case .close(.violation)? = actions.last else {
                Issue.record("closed by \(String(describing: actions.last))")
                return
            }
        }
    }

    @Test func explainsItselfToABrowser() {
        let actions = conversation(HTTPProxyServer(openFront), [Array("GET / HTTP/1.1\r\n\r\n".utf8)[...]])
        guard case .write(let answer)? = actions.first else {
            Issue.record("no answer")
            return
        }
        #expect(String(buffer: answer).contains("\r\n\r\nThis is a proxy port"))
    }

    @Test("takes a head of 16 KiB and no more", arguments: [0, 1])
    func boundsTheHead(_ excess: Int) {
        let start = "GET http://a/ HTTP/1.1\r\nA: "
        let filler = String(repeating: "b", count: 16384 + excess - start.utf8.count - 4)
        for pieces in [1, 1000] {
            var driver = ProxyServerDriver(HTTPProxyServer(openFront))
            let bytes = Array((start + filler + "\r\n\r\n").utf8)
            for from in stride(from: 0, to: bytes.count, by: bytes.count / pieces) {
                driver.receive(bytes[from..<min(bytes.count, from + bytes.count / pieces)])
            }
            let actions = driver.take()
            if excess == 0 {
                #expect(actions == [.open("a", 80)])
            } else {
                #expect(answerStatus(actions.first) == "431 Request Header Fields Too Large")
            }
        }
    }

    @Test func answersALateRequest() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive("GET http://")
        driver.now = driver.now + .seconds(10)
        driver.pull()
        let actions = driver.take()
        #expect(answerStatus(actions.first) == "408 Request Timeout")
        #expect(actions.last == .close(.timedOut(phase: "HTTP request")))
    }

    @Test func saysNothingToAConnectionThatSaidNothing() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.now = driver.now + .seconds(10)
        driver.pull()
        #expect(driver.take() == [.close(.timedOut(phase: "HTTP request"))])
    }

    @Test func waitsForTheDestinationAsLongAsItTakes() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive(Self.curlConnect + "all")
        driver.receiveEnd()
        #expect(driver.machine.deadline == nil)
        driver.now = driver.now + .hours(1)
        _ = driver.take()
        driver.accept()
        #expect(driver.take() == [.write(Self.established), .handOver("all")])
    }

    @Test func closesWhenTheUserLeavesBeforeTheRequest() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive("GET http://a/ HTTP/1.1\r\n")
        driver.receiveEnd()
        #expect(driver.take() == [.close(.finished)])
    }

    @Test func boundsWhatComesEarly() {
        var driver = ProxyServerDriver(HTTPProxyServer(openFront))
        driver.receive(Self.curlConnect)
        driver.receive(repeatElement(0, count: 65535))
        #expect(driver.machine.wantsBytes)
        driver.receive([0])
        #expect(!driver.machine.wantsBytes)
    }

    @Test(
        "detects any method and the space behind it, empty lines before it or not",
        arguments: [
            ("", Detection.needs(bytes: 1)), ("G", .needs(bytes: 2)), ("GET", .needs(bytes: 4)), ("GET ", .yes),
            ("CONNECT a:1", .yes), ("M-SEARCH *", .yes), (" GET", .no), ("get /", .yes), ("-GET ", .yes),
            ("VERSION-CONTROL ", .yes), ("2!#$%&'*+-.^_`|~aZ x", .yes), ("GET\t", .no), ("GE(T ", .no),
            ("SSH-2.0-x\r\n", .no), ("\u{5}\u{1}", .no), ("\u{4}\u{1}", .no), ("\u{16}\u{3}\u{1}", .no),
            ("\r", .needs(bytes: 2)), ("\r\n", .needs(bytes: 3)), ("\r\nG", .needs(bytes: 4)), ("\r\n\r\nGET ", .yes),
            ("\r\n\r", .needs(bytes: 4)), ("\n", .no), ("\r\r", .no), ("\r\n ", .no),
            (String(repeating: "A", count: 63), .needs(bytes: 64)), (String(repeating: "A", count: 64), .yes),
        ]
    )
    func detectsItself(head: String, answer: Detection) {
        #expect(HTTPProxyServer.detect(ByteBuffer(string: head).readableBytesView) == answer)
    }
}

/// Code and reason of an answer of the proxy's own.
func answerStatus(_ action: SessionAction?) -> String {
    guard case .write(let bytes)? = action else { return "" }
    let text = String(buffer: bytes)
    guard let start = text.firstIndex(of: " "), let end = text.firstIndex(where: \.isNewline) else { return "" }
    return String(text[text.index(after: start)..<end])
}
