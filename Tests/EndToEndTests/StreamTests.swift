// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// Streams of the test itself, where curl cannot do what is to be tested.
@Suite(.serialized, .timeLimit(.minutes(2))) struct StreamTests {
    enum Front: String, CaseIterable, Sendable {
        case forward
        case socks5 = "SOCKS5"
        case jproxy

        func connect(_ site: Site, to port: Int) async throws -> Wire {
            switch self {
            case .forward: try await Wire.connect(to: site.client.address("forward"))
            case .socks5: try await Wire.socks5(site.client.address("mixed"), to: port)
            case .jproxy: try await Wire.socks5(site.client.address("tunnelled"), to: port)
            }
        }
    }

    @Test("200 streams that end their own side first get every byte back", arguments: Front.allCases)
    func halfClosedEcho(front: Front) async throws { try await self.halfClosedEcho(front, extended: false) }

    @Test("the extension passes a half-close through the tunnel, and all bytes")
    func extendedHalfClosedEcho() async throws { try await self.halfClosedEcho(.jproxy, extended: true) }

    private func halfClosedEcho(_ front: Front, extended: Bool) async throws {
        let echo = try await Server.echo()
        let site = try await Site.start(target: echo.port, extended: extended)
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in 0..<200 {
                tasks.addTask {
                    try await Exchange.halfClosed(UInt64(seed), over: front.connect(site, to: echo.port))
                }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await site.stop()
        try await echo.stop()
    }

    @Test("300 short streams both ways at once, none with a neighbour's byte", arguments: [Front.socks5, .jproxy])
    func exchanges(front: Front) async throws {
        let far = try await Server.exchange()
        let site = try await Site.start(target: far.port)
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in UInt64(0)..<300 {
                tasks.addTask { try await Exchange.run(seed, over: front.connect(site, to: far.port)) }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await site.stop()
        try await far.stop()
    }

    @Test("a server that dies takes its streams with it, visibly, and one that comes back serves again")
    func serverDies() async throws {
        let web = try await Web.start()
        let site = try await Site.start(target: web.port)
        let port = try site.server.port("tunnel")
        let wire = try await Wire.socks5(site.client.address("tunnelled"), to: web.port)
        try await wire.send(ByteBuffer(string: "GET /held/1000000 HTTP/1.1\r\n\r\n"))
        _ = try await wire.read(400_000)
        await site.server.crash()
        #expect(try await wire.readToEnd().end == .reset)
        #expect(await site.client.program.errors.line(with: "tunnel down") != nil)
        let again = try await WarrenProcess.start(yaml: Site.server(port: port), in: site.folder, name: "again")
        web.release()
        let body = try await Self.fetch(1000, over: site, web)
        #expect(body == Web.content(1000))
        await site.client.stop()
        await again.stop()
        try await web.stop()
    }

    /// Fetches through the tunnel; tries again while it is on its way back.
    private static func fetch(_ count: Int, over site: Site, _ web: Web) async throws -> ByteBuffer {
        let timeout = NIODeadline.now() + .seconds(40)
        while true {
            do {
                let wire = try await Wire.socks5(site.client.address("tunnelled"), to: web.port)
                try await wire.send(ByteBuffer(string: "GET /\(count) HTTP/1.1\r\n\r\n"))
                var (bytes, _) = try await wire.readToEnd()
                wire.close()
                bytes.moveReaderIndex(to: max(0, bytes.writerIndex - count))
                return bytes
            } catch {
                guard NIODeadline.now() < timeout else { throw error }
            }
        }
    }

    @Test("SIGTERM lets a running transfer end, refuses new ones, and the exit is 0", arguments: Front.allCases)
    func drains(front: Front) async throws {
        let web = try await Web.start()
        let site = try await Site.start(target: web.port, drain: "60s")
        let wire = try await front.connect(site, to: web.port)
        try await wire.send(ByteBuffer(string: "GET /held/3000000 HTTP/1.1\r\n\r\n"))
        _ = try await wire.read(1_000_000)
        site.client.program.signal(SIGTERM)
        #expect(await site.client.program.errors.line(with: "draining") != nil)
        let address = try site.client.address("mixed")
        try await eventually("the listener is closed") { (try? await Wire.connect(to: address))?.close() == nil }
        web.release()
        var (bytes, end) = try await wire.readToEnd()
        #expect(end == .finished)
        let expected = Web.content(3_000_000)
        let tail = bytes.readableBytes
        #expect(tail > 1_500_000)
        #expect(bytes.readSlice(length: tail) == expected.getSlice(at: expected.readableBytes - tail, length: tail))
        wire.close()
        #expect(await site.client.program.outcome().code == 0)
        #expect(await site.server.stop().code == 0)
        try await web.stop()
    }

    @Test("a stream that outlives the drain is cut off, and the exit is 0")
    func drainEnds() async throws {
        let echo = try await Server.echo()
        let site = try await Site.start(target: echo.port, drain: "100ms")
        let wire = try await Wire.connect(to: site.client.address("forward"))
        try await wire.send(ByteBuffer(string: "x"))
        _ = try await wire.read(1)
        let outcome = await site.client.stop()
        #expect(outcome.code == 0)
        #expect(try await wire.readToEnd().end == .reset)
        #expect(outcome.errors.contains("shutting down"))
        await site.server.stop()
        try await echo.stop()
    }

    @Test("the second signal does not wait")
    func secondSignal() async throws {
        let echo = try await Server.echo()
        let site = try await Site.start(target: echo.port, drain: "1h")
        let wire = try await Wire.connect(to: site.client.address("forward"))
        try await wire.send(ByteBuffer(string: "x"))
        _ = try await wire.read(1)
        site.client.program.signal(SIGINT)
        #expect(await site.client.program.errors.line(with: "draining") != nil)
        site.client.program.signal(SIGINT)
        #expect(await site.client.program.outcome().code == 0)
        wire.close()
        await site.server.stop()
        try await echo.stop()
    }

    @Test("one line per stream, with its bytes")
    func report() async throws {
        let echo = try await Server.echo()
        let site = try await Site.start(target: echo.port)
        let wire = try await Wire.connect(to: site.client.address("forward"))
        try await wire.send(ByteBuffer(string: "12345"))
        try await wire.finish()
        _ = try await wire.readToEnd()
        let line = try #require(await site.client.program.errors.line(with: " stream "))
        #expect(line.contains(" info stream inbound=forward "))
        #expect(line.contains(" destination=127.0.0.1:\(echo.port) outbound=direct bytesIn=5 bytesOut=5 "))
        #expect(line.hasSuffix(" reason=finished"))
        await site.stop()
        try await echo.stop()
    }
}

/// Waits for something that no event tells of.
func eventually(_ what: Comment, _ condition: () async throws -> Bool) async throws {
    let timeout = NIODeadline.now() + .seconds(20)
    while try await !condition() {
        guard NIODeadline.now() < timeout else {
            Issue.record(what)
            return
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}
