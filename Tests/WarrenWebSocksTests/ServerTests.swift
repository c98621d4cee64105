// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenWebSocks

@Suite("WebSocks server") struct ServerTests {
    /// A line of the exact request, what takes its place, and the status of the answer.
    struct Change: Sendable {
        let line: String
        let instead: String?
        let deployed: String
        let lenient: String

        init(_ line: String, _ instead: String?, _ deployed: String, _ lenient: String? = nil) {
            self.line = line
            self.instead = instead
            self.deployed = deployed
            self.lenient = lenient ?? deployed
        }
    }

    static let changes = [
        Change("Host", "Host: x", "101"),
        Change("GET", "POST / HTTP/1.1", "400"),
        Change("GET", "GET /anything HTTP/1.0", "101"),
        Change("Upgrade", "Upgrade: WebSocket", "400", "101"),
        Change("Upgrade", "Upgrade: h2c, websocket", "400", "101"),
        Change("Upgrade", "Upgrade: h2c", "400"),
        Change("Connection", "Connection: upgrade", "101"),
        Change("Connection", "Connection: keep-alive, Upgrade", "400", "101"),
        Change("Connection", "Connection: close", "400"),
        Change("Connection", nil, "400"),
        Change("Sec-WebSocket-Key", "Sec-WebSocket-Key: ???", "400"),
        Change("Sec-WebSocket-Key", nil, "400"),
        Change("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAA", "101"),
        Change("Sec-WebSocket-Version", nil, "101"),
        Change("Host", "Content-Length: 0", "400"),
        Change("Host", "Content-Length: x", "400"),
        Change("Host", "Content-Length: 99999999999999999999", "400"),
        Change("Host", "Transfer-Encoding: chunked", "400"),
        Change("Authorization", nil, "401"),
        Change("Authorization", "Authorization: Bearer abc", "401"),
        Change("Authorization", "Authorization: Basic YWxpY2U=", "401"),
        Change("Authorization", "Authorization: Basic YTpiOmM=", "401"),
        Change("Authorization", "Authorization: Basic YWxpY2U6eA==", "401"),
        Change("Sec-WebSocket-Protocol", nil, "400"),
        Change("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: http", "400"),
        Change("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: http, socks5", "400", "101"),
    ]

    @Test(arguments: changes, WebSocks.Decoding.allCases)
    func everyRowOfTheTableHasItsStatus(change: Change, decoding: WebSocks.Decoding) throws {
        var server = Server { $0.decoding = decoding }
        let actions = server.receive(try upgrade(change.line, change.instead))
        let status = decoding == .deployed ? change.deployed : change.lenient
        #expect(text(actions.written).hasPrefix("HTTP/1.1 \(status) "), "\(text(actions.written))")
        #expect(text(actions.written).contains("WWW-Authenticate: Basic\r\n") == (status == "401"))
    }

    @Test func aRequestThatFailsLeavesTheConnectionOpenForAnother() throws {
        var server = Server()
        #expect(text(server.receive(try upgrade("Authorization", nil)).written).hasPrefix("HTTP/1.1 401 "))
        #expect(text(server.receive(try upgrade("Connection", nil)).written).hasPrefix("HTTP/1.1 400 "))
        #expect(text(server.receive(try upgrade()).written).hasPrefix("HTTP/1.1 101 "))
    }

    @Test func theBodyOfARequestThatFailedIsSkipped() throws {
        var server = Server()
        let first = server.receive("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        #expect(text(first.written).hasPrefix("HTTP/1.1 400 "))
        #expect(server.receive("GE").isEmpty)
        #expect(text(server.receive("T /" + text(try upgrade())).written).hasPrefix("HTTP/1.1 101 "))
    }

    @Test func bytesBehindTheHeadAreRefusedUnlessTheyAreWanted() throws {
        var early = try upgrade()
        early.writeImmutableBuffer(opening)
        var server = Server()
        #expect(text(server.receive(early).written).contains("should not contain a body"))
        var taker = Server { $0.takesEarlyBytes = true }
        #expect(taker.receive(early).contains(.open(stream, target)))
    }

    @Test func bytesBehindTheRequestAreRefusedUnlessTheyAreWanted() throws {
        var bytes = opening
        bytes.writeString("hello")
        var server = try Server.upgraded()
        let actions = server.receive(bytes)
        #expect(actions.written.hex.hasSuffix("05010001000000004966"))
        #expect(actions.reason == .violation(WireError(.unexpected, in: "request")))
        var taker = try Server.upgraded { $0.takesEarlyBytes = true }
        #expect(taker.receive(bytes).contains(.open(stream, target)))
        taker.machine.accept(stream)
        let rest = taker.advance(.milliseconds(50))
        #expect(rest.last == .handOver(stream, leftover: ByteBuffer(string: "hello")))
    }

    @Test(arguments: [-1, 0, 1, 2] as [Int64]) func aDigestIsGoodForThreeMinutes(step: Int64) throws {
        for offset in [0, 59_999] as [Int64] {
            var server = Server()
            server.clock = minute + step * 60_000 + offset
            let isIn = abs(step) <= 1
            #expect(text(server.receive(try upgrade()).written).hasPrefix("HTTP/1.1 \(isIn ? 101 : 401) "))
        }
    }

    @Test func visitorsSeeWhatTheOperatorChose() {
        let page = WebSocks.Pages.Page(type: "text/plain", body: ByteBuffer(string: "hi"))
        let pages = WebSocks.Visitors.pages(.init(["/index.html": page]))
        for (visitors, part) in [
            (.refused, "400 Bad"), (.notFound, "404 Not"),
            (pages, "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"),
            (.redirect("https://x/\r\nEvil: 1"), "Location: https://x/Evil: 1\r\n"),
        ] as [(WebSocks.Visitors, String)] {
            var server = Server { $0.visitors = visitors }
            for _ in 0..<2 { #expect(text(server.receive("GET / HTTP/1.1\r\n\r\n").written).contains(part)) }
        }
    }

    @Test(
        arguments: [
            ("/", "root"), ("/?x=/y/", "root"), ("/index.html", "root"), ("/a/", "in a"), ("/a/b%20c.txt", "b c"),
            ("/a", nil), ("/a/../index.html", nil), ("//", nil), ("http://x/", nil), ("/a/b c.txt", nil), ("*", nil),
        ] as [(String, String?)])
    func aPageHasOnePathAndNoOther(path: String, body: String?) {
        let pages = ["/index.html": "root", "/a/index.html": "in a", "/a/b%20c.txt": "b c"].mapValues {
            WebSocks.Pages.Page(type: "text/html", body: ByteBuffer(string: $0))
        }
        var server = Server { $0.visitors = .pages(.init(pages)) }
        let answer = text(server.receive("GET \(path) HTTP/1.1\r\n\r\n").written)
        guard let body else { return #expect(answer.hasPrefix("HTTP/1.1 4")) }
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n\(body)"))
    }

    @Test func whoeverDoesNotReadAnswersGetsNoFurtherOnes() {
        var server = Server()
        let (one, now) = ("GET / HTTP/1.1\r\n\r\n", server.now)
        server.machine.receive(ByteBuffer(string: one + one))
        #expect(server.machine.drain(now, writable: false).isEmpty)
        #expect(server.machine.next(now: now, writable: true) != nil)
        #expect(server.machine.drain(now, writable: false).isEmpty)
        #expect(server.machine.drain(now).count == 1)
    }

    @Test func aHeadThatCannotBeReadOrIsTooLongEndsTheConnection() {
        for (bytes, status) in [
            ("\u{16}\u{3}\u{1}", "400"), ("GET / HTTP/1.1\nA: b\n", "400"), ("GET\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\n x\r\n\r\n", "400"), ("G" + String(repeating: "x", count: 17_000), "431"),
            ("GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 101) + "\r\n", "431"),
        ] {
            var server = Server()
            let actions = server.receive(bytes)
            #expect(text(actions.written).hasPrefix("HTTP/1.1 \(status) "))
            #expect(text(actions.written).contains("Connection: close\r\n"))
            guard case .violation? = actions.reason else { return #expect(Bool(false), "\(bytes.prefix(20))") }
        }
    }

    @Test func oneConnectionHasOnlySoManyRequests() {
        var server = Server { $0.requests = 2 }
        for _ in 0..<2 { #expect(server.receive("GET / HTTP/1.1\r\n\r\n").reason == nil) }
        #expect(server.receive("GET / HTTP/1.1\r\n\r\n").reason == .denied)
    }

    @Test func silenceEndsEveryPhase() throws {
        var server = Server()
        #expect(server.advance(.milliseconds(9999)).isEmpty)
        #expect(server.advance(.milliseconds(1)) == [.close(.timedOut(phase: "upgrade"))])
        var pooled = try Server.upgraded()
        #expect(pooled.advance(.seconds(899)).isEmpty)
        #expect(pooled.receive(ByteBuffer(hex: "8a00 8a00")).isEmpty)
        #expect(pooled.advance(.seconds(899)).isEmpty)
        #expect(pooled.advance(.seconds(1)) == [.close(.timedOut(phase: "the wait for a frame"))])
        var framed = try Server.upgraded()
        #expect(framed.receive(frame) == [.write(frame)])
        #expect(framed.advance(.seconds(10)) == [.close(.timedOut(phase: "SOCKS5 request"))])
    }

    @Test(
        arguments: [
            ("050102", "05ff"), ("0500", "05ff"), ("0401", "05ff"),
            ("050100 05020001 7f000001 4966", "0500 05070001 00000000 0000"),
            ("050100 05030001 7f000001 4966", "0500 05070001 00000000 0000"),
            ("050100 05010002 7f000001 4966", "0500 05080001 00000000 0000"),
            ("050100 05010001 7f000001 0000", "0500 05010001 00000000 0000"),
            ("050100 05010003 00 4966", "0500 05010001 00000000 0000"), ("050100 04", "0500 05010001 00000000 0000"),
        ])
    func whatSOCKSDoesNotHaveIsRefusedInItsWords(sent: String, answer: String) throws {
        var server = try Server.upgraded()
        _ = server.receive(frame)
        let actions = server.receive(ByteBuffer(hex: sent))
        #expect(actions.written == ByteBuffer(hex: answer))
        #expect(actions.reason != nil)
    }

    @Test(arguments: StreamFault.allCases) func refusalsAreSaidInBothDialects(fault: StreamFault) throws {
        var connectFirst = try Server.asked { $0.dialect = .connectFirst }
        #expect(connectFirst.drain().isEmpty)
        connectFirst.machine.reset(stream, fault)
        let actions = connectFirst.drain()
        #expect(actions.written.array.dropFirst().first == SOCKS5.Reply(fault).rawValue)
        #expect(actions.written.array.dropFirst().first != 0 && actions.reason == .finished)
        // The "yes" left with the opening: only the end can follow.
        var deployed = try Server.asked()
        deployed.machine.reset(stream, fault)
        #expect(deployed.drain() == [.close(.finished)])
    }

    @Test func whatTheTargetSaysWaitsForTheAgent() throws {
        let banner = ByteBuffer(string: "220 ready\r\n")
        for isSpoken in [true, false] {
            var server = try Server.asked()
            server.machine.accept(stream)
            server.machine.send(banner, on: stream)
            #expect(server.drain().isEmpty)
            #expect(server.machine.deadline == server.now + .milliseconds(50))
            let leftover = isSpoken ? ByteBuffer(string: "x") : ByteBuffer()
            let actions = isSpoken ? server.receive(leftover) : server.advance(.milliseconds(50))
            #expect(actions == [.write(banner), .handOver(stream, leftover: leftover)])
        }
    }

    @Test func aTargetThatSpeaksAndGoesIsHeardWhenTheHoldIsOver() throws {
        var server = try Server.asked()
        server.machine.accept(stream)
        server.machine.send(ByteBuffer(string: "bye"), on: stream)
        server.machine.reset(stream, nil)
        #expect(server.drain().isEmpty)
        #expect(server.machine.deadline == server.now + .milliseconds(50))
        #expect(server.advance(.milliseconds(50)) == [.write(ByteBuffer(string: "bye")), .close(.finished)])
    }

    @Test func aTargetThatIsCutOffCutsTheAgentOff() throws {
        var server = try Server.asked()
        server.machine.accept(stream)
        server.machine.reset(stream, .aborted)
        #expect(server.drain() == [.close(.cutOff(.aborted))])
    }

    @Test func aTargetThatSaysTooMuchIsPaused() throws {
        var server = try Server.asked()
        server.machine.accept(stream)
        server.machine.send(ByteBuffer(repeating: 1, count: 70_000), on: stream)
        #expect(!server.machine.hasRoom(on: stream))
        #expect(server.drain() == [.pause(stream)])
        let rest = server.advance(.milliseconds(50))
        #expect(rest.suffix(2) == [.resume(stream), .handOver(stream, leftover: ByteBuffer())])
        #expect(rest.written.readableBytes == 70_000)
    }
}
