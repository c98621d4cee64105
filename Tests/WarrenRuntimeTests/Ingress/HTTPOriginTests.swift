// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

/// An HTTP inbound that stands before one server and is no proxy.
@Suite struct HTTPOriginTests {
    private static func front(host: String? = nil, told: Bool = true, scheme: String = "https") -> HTTPProxyServer {
        var origin = HTTPOrigin()
        origin.host = host
        if told { origin.visitor = HTTPOrigin.Visitor(address: "192.0.2.7", scheme: scheme) }
        var configuration = ProxyServerConfiguration()
        configuration.origin = origin
        return HTTPProxyServer(configuration)
    }

    private static func forwarded(_ front: HTTPProxyServer, _ request: String) -> String? {
        for action in conversation(front, [Array(request.utf8)[...]]) {
            if case .deliver(_, let bytes) = action { return String(buffer: bytes) }
        }
        return nil
    }

    @Test func theOriginIsToldOfTheVisitorAndNothingThatTheVisitorSaysOfItself() {
        let request =
            "GET /a?b HTTP/1.1\r\nHost: dev.example:8443\r\nX-Forwarded-For: 6.6.6.6\r\nx-real-ip: 6\r\n"
            + "Forwarded: for=6.6.6.6\r\nX-FORWARDED-PROTO: http\r\nCookie: a\r\n\r\n"
        #expect(
            Self.forwarded(Self.front(), request)
                == "GET /a?b HTTP/1.1\r\nHost: dev.example:8443\r\nCookie: a\r\nX-Forwarded-For: 192.0.2.7\r\n"
                + "X-Forwarded-Proto: https\r\nX-Forwarded-Host: dev.example:8443\r\nVia: 1.1 warren\r\n"
                + "Connection: close\r\n\r\n")
    }

    @Test(
        "a field with _ in the place of - is the same to what stands behind the origin",
        arguments: [
            "X_Forwarded_For", "x-forwarded_for", "X_FORWARDED_PROTO", "X_Forwarded-Host", "X-Forwarded_Port",
            "X_Real_IP",
        ])
    func underscores(field: String) {
        let request = "GET / HTTP/1.1\r\nHost: a.example\r\n\(field): 6.6.6.6\r\nMy_Own: b\r\n\r\n"
        let told = Self.forwarded(Self.front(), request)
        #expect(told?.contains("\r\nMy_Own: b\r\n") == true)
        #expect(told?.contains("6.6.6.6") == false)
        #expect(Self.forwarded(Self.front(told: false), request)?.contains("\(field): 6.6.6.6") == true)
    }

    @Test func theHostIsRewrittenAndTheRestStaysWhereNothingElseIsAsked() {
        #expect(
            Self.forwarded(
                Self.front(host: "localhost:3000", told: false),
                "GET / HTTP/1.1\r\nHost: dev.example\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n")
                == "GET / HTTP/1.1\r\nHost: localhost:3000\r\nX-Forwarded-For: 192.0.2.9\r\nVia: 1.1 warren\r\n"
                + "Connection: close\r\n\r\n")
    }

    @Test("every request of a connection is rewritten, however the bytes arrive", arguments: [1, 5, 1000])
    func keptConnections(size: Int) {
        var driver = ProxyServerDriver(Self.front(host: "localhost"))
        var hosts = 0
        for number in 0..<3 {
            let text = "POST /\(number) HTTP/1.1\r\nHost: dev.example\r\nContent-Length: 5\r\n\r\nhello"
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                driver.receive(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
            driver.accept()
            driver.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            var delivered = ""
            for action in driver.take() {
                if case .deliver(_, let bytes) = action { delivered += String(buffer: bytes) }
                if case .close = action { Issue.record("closed after request \(number)") }
            }
            #expect(delivered.hasPrefix("POST /\(number) HTTP/1.1\r\nHost: localhost\r\n"), "\(delivered)")
            #expect(delivered.hasSuffix("\r\n\r\nhello"))
            hosts += delivered.components(separatedBy: "X-Forwarded-For: 192.0.2.7\r\n").count - 1
        }
        #expect(hosts == 3)
    }

    @Test func aWebSocketIsHandedOver() {
        var driver = ProxyServerDriver(Self.front())
        driver.receive("GET /ws HTTP/1.1\r\nHost: dev.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        driver.accept()
        driver.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(driver.actions.last == .handOver(""))
    }

    @Test(
        "what no server takes is answered",
        arguments: [
            ("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", "405 Method Not Allowed"),
            ("GET a HTTP/1.1\r\nHost: a.example\r\n\r\n", "400 Bad Request"),
            ("GET /a#b HTTP/1.1\r\nHost: a.example\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"),
        ])
    func refusals(request: String, status: String) {
        let actions = conversation(Self.front(), [Array(request.utf8)[...]])
        #expect(answerStatus(actions.first) == status)
    }

    @Test func theAbsoluteFormAndOptionsOfAServerAreTaken() {
        let absolute = Self.forwarded(
            Self.front(told: false), "GET http://dev.example/a HTTP/1.1\r\nHost: dev.example\r\n\r\n")
        #expect(absolute?.hasPrefix("GET /a HTTP/1.1\r\nHost: dev.example\r\n") == true)
        let options = Self.forwarded(Self.front(told: false), "OPTIONS * HTTP/1.1\r\nHost: dev.example\r\n\r\n")
        #expect(options?.hasPrefix("OPTIONS * HTTP/1.1\r\nHost: dev.example\r\n") == true)
    }

    @Test func aTargetThatIsAwayIsNotNamedToAStranger() {
        var driver = ProxyServerDriver(Self.front(host: "10.1.2.3:3000"))
        driver.receive("GET / HTTP/1.1\r\nHost: dev.example\r\n\r\n")
        driver.refuse(.refused)
        guard let written = driver.actions.first(where: { if case .write = $0 { true } else { false } }),
            case .write(let bytes) = written
        else {
            Issue.record("no answer")
            return
        }
        let text = String(buffer: bytes)
        #expect(text.hasPrefix("HTTP/1.1 502 ") && text.contains("dev.example") && !text.contains("10.1.2.3"))
    }
}
