// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("HTTP inbound: upgrades in absolute form") struct HTTPUpgradeTests {
    static let request =
        "GET http://a/chat HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
        + "Sec-WebSocket-Key: x\r\n\r\n"
    static let forwarded =
        "GET /chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: x\r\nVia: 1.1 warren\r\nConnection: Upgrade\r\n"
        + "Upgrade: WebSocket\r\n\r\n"
    static let granted = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    static let passedOn =
        "HTTP/1.1 101 Switching Protocols\r\nVia: 1.1 warren\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    @Test("hands over once the origin agrees, in any pieces", arguments: 1...20)
    func handsOver(_ size: Int) {
        var driver = HTTPForwardTests.connected(Self.request)
        driver.receive("frame")
        let answer = Array((Self.granted + "first").utf8)
        for from in stride(from: 0, to: answer.count, by: size) {
            driver.machine.send(ByteBuffer(bytes: answer[from..<min(answer.count, from + size)]), on: StreamID(0))
        }
        driver.pull()
        let actions = driver.take()
        #expect(actions.last == .handOver("frame"))
        #expect(written(actions) == Self.passedOn + "first")
    }

    @Test func asksTheOrigin() {
        for split in everySplit(Array(Self.request.utf8)) {
            #expect(conversation(HTTPProxyServer(openFront), split) == [.open("a", 80), .deliver(Self.forwarded)])
        }
    }

    @Test("any protocol may be asked for, and with a body", arguments: ["tcp", "SPDY/3.1", "a, b/2"])
    func asksForAnything(_ name: String) {
        var driver = HTTPForwardTests.connected(
            "POST http://a/exec HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: \(name)\r\nContent-Length: 2\r\n\r\n{}ls"
        )
        driver.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: \(name)\r\n\r\n")
        #expect(
            driver.take() == [
                .write("HTTP/1.1 101 UPGRADED\r\nVia: 1.1 warren\r\nConnection: Upgrade\r\nUpgrade: \(name)\r\n\r\n"),
                .handOver("ls"),
            ]
        )
    }

    @Test("HTTP/2 is not asked for: its user would take us for the far end", arguments: ["h2c", "H2C", "h2c, h2c"])
    func leavesHTTP2Alone(_ name: String) {
        let request =
            "GET http://a/ HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: \(name)\r\n"
            + "HTTP2-Settings: x\r\n\r\n"
        #expect(
            conversation(HTTPProxyServer(openFront), [Array(request.utf8)[...]]).last
                == .deliver("GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 warren\r\nConnection: close\r\n\r\n")
        )
    }

    @Test("an upgrade that nobody asked for is no answer")
    func refusesAnUpgradeUnasked() {
        var driver = HTTPForwardTests.connected("GET http://a/ HTTP/1.1\r\n\r\n")
        driver.send(Self.granted)
        let actions = driver.take()
        #expect(actions.first == .end(StreamID(0), .aborted))
        #expect(answerStatus(actions.last) == "502 Bad answer")
    }

    @Test("an origin that goes on in another protocol before it has heard the request out is cut off")
    func refusesAnUpgradeTooEarly() {
        var driver = HTTPForwardTests.connected(
            "POST http://a/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 5\r\n\r\n12"
        )
        driver.send(Self.granted)
        #expect(driver.take().suffix(2) == [.end(StreamID(0), .aborted), .close(.cutOff(.aborted))])
    }

    @Test func holdsBackWhatComesBeforeTheAnswer() {
        var driver = HTTPForwardTests.connected(Self.request)
        driver.receive(repeatElement(0, count: 65536))
        #expect(driver.take().isEmpty)
        #expect(!driver.machine.wantsBytes)
    }

    @Test("after a refusal the next request is served, where nothing came before it")
    func goesOnAfterARefusal() {
        var driver = HTTPForwardTests.connected(Self.request)
        driver.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        driver.receive("GET http://other/ HTTP/1.1\r\n\r\n")
        #expect(
            driver.take() == [
                .write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nVia: 1.1 warren\r\n\r\n"),
                .end(StreamID(0), nil), .open("other", 80, as: 1),
            ]
        )
    }

    @Test("early words of a protocol that was refused are not taken for a request")
    func dropsEarlyWords() {
        var driver = HTTPForwardTests.connected(Self.request)
        driver.receive("GET http://other/ HTTP/1.1\r\n\r\n")
        driver.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        #expect(
            driver.take() == [
                .write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nVia: 1.1 warren\r\nConnection: close\r\n\r\n"),
                .end(StreamID(0), nil), .close(.finished),
            ]
        )
    }

    @Test func resumesTheOriginBeforeHandingOver() {
        var driver = HTTPForwardTests.connected(Self.request)
        driver.writable = false
        driver.send(Self.granted)
        driver.send(String(repeating: "x", count: 128 << 10))
        #expect(driver.take() == [.pause(StreamID(0))])
        driver.writable = true
        driver.pull()
        #expect(driver.take().suffix(2) == [.resume(StreamID(0)), .handOver("")])
    }

    @Test("426 says in which protocol to come back")
    func passesTheUpgradeThatIsRequired() {
        var driver = HTTPForwardTests.connected()
        driver.send(
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n"
                + "Content-Length: 0\r\n\r\n")
        #expect(
            written(driver.take())
                == "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nVia: 1.1 warren\r\nConnection: Upgrade\r\n"
                + "Upgrade: tcp\r\n\r\n"
        )
    }
}

/// Everything that was written to the user.
func written(_ actions: [SessionAction]) -> String {
    actions.reduce(into: "") { text, action in
        if case .write(let bytes) = action { text += String(buffer: bytes) }
    }
}
