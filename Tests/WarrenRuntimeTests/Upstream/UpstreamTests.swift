// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

private let name = Destination.tcp(Host("example.net"), port: 443)
private let login = UpstreamLogin(user: "alice", password: "secret")

extension ProxyServerDriver {
    /// Asks for the one stream.
    fileprivate mutating func ask(_ destination: Destination = name) throws {
        self.pull()
        #expect(self.take() == [.ready])
        _ = try self.machine.open(StreamRequest(destination), now: self.now)
        self.pull()
    }

    /// Bytes of the proxy, cut at `split`.
    fileprivate mutating func receive(_ bytes: [UInt8], split: Int) {
        self.receive(bytes.prefix(split))
        self.receive(bytes.dropFirst(split))
    }
}

@Suite("The user of a SOCKS5 proxy") struct SOCKS5UpstreamTests {
    private static let granted: [UInt8] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    private static func driver(_ login: UpstreamLogin? = nil) -> ProxyServerDriver<SOCKS5Upstream> {
        ProxyServerDriver(SOCKS5Upstream(login: login, handshake: .seconds(10)))
    }

    @Test("is the stream once the proxy has granted it", arguments: 0...15)
    func granted(split: Int) throws {
        var driver = Self.driver()
        try driver.ask()
        #expect(driver.take() == [.write(ByteBuffer(bytes: [5, 1, 0]))])
        driver.receive([5, 0] + Self.granted + Array("hey".utf8), split: split)
        let asked = [5, 1, 0, 3, 11] + Array("example.net".utf8) + [1, 0xBB]
        let actions = driver.take()
        #expect(actions.first == .write(ByteBuffer(bytes: asked)))
        guard case .handOver(StreamID(0), let leftover) = actions.last, actions.count == 2 else {
            return #expect(Bool(false), "\(actions)")
        }
        #expect("hey".hasPrefix(String(buffer: leftover)) && driver.machine.deadline == nil)
    }

    @Test(
        "writes addresses of both families",
        arguments: [
            ("192.0.2.1", [5, 1, 0, 1, 192, 0, 2, 1, 0, 80]),
            ("::1", [5, 1, 0, 4] + [UInt8](repeating: 0, count: 15) + [1, 0, 80]),
        ] as [(String, [UInt8])])
    func addresses(host: String, asked: [UInt8]) throws {
        var driver = Self.driver()
        try driver.ask(.tcp(Host(host), port: 80))
        driver.receive([5, 0])
        #expect(driver.take().last == .write(ByteBuffer(bytes: asked)))
    }

    @Test("logs in where the proxy asks for it", arguments: [0, 1, 2, 3])
    func logsIn(split: Int) throws {
        var driver = Self.driver(login)
        try driver.ask()
        #expect(driver.take() == [.write(ByteBuffer(bytes: [5, 2, 0, 2]))])
        driver.receive([5, 2])
        let said = [1, 5] + Array("alice".utf8) + [6] + Array("secret".utf8)
        #expect(driver.take() == [.write(ByteBuffer(bytes: said))])
        driver.receive([1, 0], split: min(split, 2))
        #expect(driver.take().count == 1)
    }

    @Test("says why the proxy would not have us")
    func refusedLogins() throws {
        var driver = Self.driver()
        try driver.ask()
        _ = driver.take()
        driver.receive([5, 0xFF])
        #expect(driver.take() == [.close(.rejected("it wants a login; give user and passwordFile"))])
        driver = Self.driver(login)
        try driver.ask()
        driver.receive([5, 2])
        _ = driver.take()
        driver.receive([1, 1])
        #expect(driver.take() == [.close(.rejected("it does not know this login"))])
    }

    @Test(
        "gives the proxy's reasons",
        arguments: [
            (1, .failed), (2, .notAllowed), (3, .unreachable), (4, .unknownHost), (5, .refused), (6, .timedOut),
            (7, .unsupported), (8, .unsupported), (9, .failed), (255, .failed),
        ] as [(UInt8, StreamFault)])
    func reasons(code: UInt8, fault: StreamFault) throws {
        var driver = Self.driver()
        try driver.ask()
        driver.receive([5, 0])
        _ = driver.take()
        driver.receive([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
        #expect(driver.take() == [.end(StreamID(0), fault)])
        #expect(SOCKS5.Reply.hostUnreachable.fault(reaching: .tcp(Host("::1"), port: 1)) == .unreachable)
    }

    @Test(
        "breaks off with a proxy that is none",
        arguments: ["HTTP/1.1 400 Bad Request\r\n\r\n", "\u{5}\u{7}", "\u{5}\u{2}", "\u{5}\u{0}\u{4}"])
    func strangers(text: String) throws {
        var driver = Self.driver()
        try driver.ask()
        _ = driver.take()
        driver.receive(text)
        guard case .close(.violation) = driver.take().last else { return #expect(Bool(false)) }
    }

    @Test("ends with the proxy and in time, at every step", arguments: 0...4)
    func ends(step: Int) throws {
        for isLate in [false, true] {
            var driver = Self.driver(login)
            try driver.ask()
            let steps: [[UInt8]] = [[], [5], [5, 2], [5, 2, 1, 0], [5, 2, 1, 0, 5, 0, 0]]
            driver.receive(steps[step])
            _ = driver.take()
            if isLate {
                driver.now = driver.now + .seconds(61)
                driver.pull()
            } else {
                driver.receiveEnd()
            }
            #expect(driver.take() == [.end(StreamID(0), isLate ? .timedOut : .sessionLost)])
        }
    }

    @Test func opensOneStreamByTCP() throws {
        var driver = Self.driver()
        let (now, request) = (driver.now, StreamRequest(name))
        #expect(throws: StreamFault.sessionLost) { _ = try driver.machine.open(request, now: now) }
        try driver.ask()
        #expect(throws: StreamFault.limit) { _ = try driver.machine.open(request, now: now) }
        let other = StreamRequest(.host(Host("example.net"), port: 53, .udp))
        #expect(throws: StreamFault.unsupported) { _ = try driver.machine.open(other, now: now) }
    }
}

@Suite("The user of an HTTP proxy") struct HTTPUpstreamTests {
    private static func driver(_ login: UpstreamLogin? = nil) -> ProxyServerDriver<HTTPUpstream> {
        ProxyServerDriver(HTTPUpstream(login: login))
    }

    @Test("is the stream once the proxy has granted it", arguments: [0, 1, 8, 25, 26, 45, 64, 65, 66])
    func granted(split: Int) throws {
        var driver = Self.driver()
        try driver.ask()
        let asked = "CONNECT example.net:443 HTTP/1.1\r\nHost: example.net:443\r\n\r\n"
        #expect(driver.take() == [.write(ByteBuffer(string: asked))])
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\n\r\nhey"
        driver.receive(Array(answer.utf8), split: split)
        guard case .handOver(StreamID(0), let leftover) = driver.take().last else { return #expect(Bool(false)) }
        #expect("hey".hasPrefix(String(buffer: leftover)))
    }

    @Test func logsIn() throws {
        var driver = Self.driver(login)
        try driver.ask(.tcp(Host("2001:db8::1"), port: 80))
        let asked = "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n"
        #expect(
            driver.take() == [
                .write(ByteBuffer(string: asked + "Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n"))
            ])
        driver.receive("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\n")
        #expect(driver.take() == [.close(.rejected("it does not know this login"))])
    }

    @Test("gives back every reason that an inbound of ours says", arguments: StreamFault.allCases)
    func reasons(fault: StreamFault) throws {
        var driver = Self.driver()
        try driver.ask()
        _ = driver.take()
        driver.receive(String(buffer: HTTPAnswer(fault, reaching: name).bytes()))
        let known: Set<StreamFault> = [
            .refused, .unreachable, .unknownHost, .timedOut, .notAllowed, .limit, .unsupported,
        ]
        let expected: StreamFault =
            known.contains(fault) ? fault : fault == .idle || fault == .stalled ? .timedOut : .failed
        #expect(driver.take() == [.end(StreamID(0), expected)])
    }

    @Test(
        "goes by the status of others",
        arguments: [(403, .notAllowed), (404, .unknownHost), (500, .failed), (504, .timedOut), (302, .failed)]
            as [(Int, StreamFault)])
    func statuses(code: Int, fault: StreamFault) throws {
        var driver = Self.driver()
        try driver.ask()
        _ = driver.take()
        driver.receive("HTTP/1.1 \(code) No\r\nContent-Length: 0\r\n\r\n")
        #expect(driver.take() == [.end(StreamID(0), fault)])
    }

    @Test(
        "goes by what squid says beside its status",
        arguments: [
            ("ERR_CONNECT_FAIL 111", .refused), ("ERR_CONNECT_FAIL 61", .refused), ("ERR_CONNECT_FAIL 110", .timedOut),
            ("ERR_CONNECT_FAIL 113", .unreachable), ("ERR_DNS_FAIL 0", .unknownHost), ("ERR_CONNECT_FAIL", .failed),
            ("ERR_CONNECT_FAIL 5", .failed), ("", .failed), ("ERR_CANNOT_FORWARD 0", .failed),
        ] as [(String, StreamFault)])
    func squid(error: String, fault: StreamFault) throws {
        var driver = Self.driver()
        try driver.ask()
        _ = driver.take()
        driver.receive("HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: \(error)\r\n\r\n")
        #expect(driver.take() == [.end(StreamID(0), fault)])
    }

    @Test func interimAnswersHaveAnEnd() throws {
        var driver = Self.driver()
        try driver.ask()
        _ = driver.take()
        driver.receive(String(repeating: "HTTP/1.1 100 C\r\n\r\n", count: 100))
        #expect(driver.take() == [])
        driver.receive("HTTP/1.1 100 C\r\n\r\n")
        #expect(driver.take() == [.close(.violation(WireError(.tooLong, in: "interim answers")))])
    }

    @Test func endsWithTheProxyAndInTime() throws {
        for isLate in [false, true] {
            var driver = Self.driver()
            try driver.ask()
            driver.receive("HTTP/1.1 200")
            _ = driver.take()
            if isLate {
                driver.now = driver.now + .seconds(60)
                driver.pull()
            } else {
                driver.receiveEnd()
            }
            #expect(driver.take() == [.end(StreamID(0), isLate ? .timedOut : .sessionLost)])
        }
        var driver = Self.driver()
        try driver.ask()
        _ = driver.take()
        driver.receive("\u{5}\u{0}")
        guard case .close(.violation) = driver.take().last else { return #expect(Bool(false)) }
    }
}
