// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

/// An outbound with scripted sessions, the server that it dials, and what it logs.
///
/// A session is ready when the server says `ready`, and opens streams when it is asked to.
private struct Rig: Sendable {
    let outbound: SessionOutbound
    let log = LogRecorder()
    private let loop: SocketLoop

    init(port: UInt16, on loop: SocketLoop = Pair.loops.next(), _ spares: [SocketLoop] = []) {
        let dialer = Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: .everything)
        let dial = CarrierDialer(dialer: dialer, host: Host("127.0.0.1"), port: port)
        let carrier = SessionCarrier(dial) { leg, owner, loop in
            let script = Script()
            script.onCall = { script, call in
                switch call {
                case .receive("ready"): script.says(.ready)
                case .receive("open"): script.says(.open(StreamID(1), .named("inside")))
                case .receiveEnd: script.says(.close(.finished))
                case .open: script.says(.write(ByteBuffer(string: "stream")), .opened(script.lastStream))
                case .reset(let id, let fault?):
                    script.says(.write(ByteBuffer(string: "\(id) \(fault.rawValue)")))
                default: break
                }
            }
            let context = LoopContext(loop: loop, registry: LoopRegistry())
            context.start(ScriptedMachine(script: script), on: leg, owner: owner)
        }
        self.loop = loop
        self.outbound = SessionOutbound(
            name: "far", on: loop, spares, carrier: carrier, reporter: self.log.reporter)
    }

    /// Asks for a stream; the answer is nil if there is one. The future fails only if the test is over first.
    ///
    /// - Parameter other: the loop that asks; nil for that of the first session.
    func open(on other: SocketLoop? = nil) async throws -> EventLoopFuture<StreamFault?> {
        let (loop, outbound) = (other ?? self.loop, self.outbound)
        let promise = loop.makePromise(of: StreamFault?.self)
        try await loop.submit {
            _ = outbound.open(.named("far"), trusted: false, on: loop) { result in
                if case .failure(let fault) = result { promise.succeed(fault) } else { promise.succeed(nil) }
            }
        }.get()
        return promise.futureResult
    }
}

@Suite(.timeLimit(.minutes(1))) struct SessionOutboundTests {
    @Test func aStreamWaitsUntilTheSessionIsReady() async throws {
        let server = try await TestServer.start()
        let rig = Rig(port: server.port)
        let tried = rig.outbound.start()
        let early = try await rig.open()
        let peer = try await server.next()
        let waiting = try await rig.open()
        try await peer.send("ready")
        #expect(try await early.get() == nil)
        #expect(try await waiting.get() == nil)
        try await tried.get()
        #expect(try await rig.open().get() == nil)
        #expect(rig.log.lines.map(\.message) == ["tunnel up"])
        rig.outbound.stop()
        _ = try await peer.everything()
        try await server.stop()
    }

    @Test func waitingStreamsFailWhereTheDialFails() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let rig = Rig(port: closed.number)
        let tried = rig.outbound.start()
        let stream = try await rig.open()
        #expect(try await stream.get() == .sessionLost)
        try await tried.get()
        let line = try #require(rig.log.lines.first)
        #expect(line.message == "tunnel not up; trying again")
        #expect(line.level == .warning)
        #expect(line.metadata["reason"] == "cannot connect: refused")
        #expect(line.metadata["retryMs"] == "250")
        rig.outbound.stop()
    }

    @Test func waitingStreamsFailWhereTheLoginFails() async throws {
        let server = try await TestServer.start()
        let rig = Rig(port: server.port)
        _ = rig.outbound.start()
        let stream = try await rig.open()
        try await server.next().finish()
        #expect(try await stream.get() == .sessionLost)
        rig.outbound.stop()
        try await server.stop()
    }

    @Test("a stream that is asked for while the outbound rests makes it dial before its pause is over")
    func dialsAtOnceWhenAsked() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let rig = Rig(port: closed.number)
        try await rig.outbound.start().get()
        // Until the pause is so long that nobody takes its end for the answer to the question.
        var pause = 0
        while pause < 4000 {
            #expect(try await rig.open().get() == .sessionLost)
            pause = rig.log.lines.last.flatMap { $0.metadata["retryMs"].flatMap { Int($0) } } ?? 0
        }
        let asked = NIODeadline.now()
        #expect(try await rig.open().get() == .sessionLost)
        #expect(NIODeadline.now() - asked < .milliseconds(Int64(pause)))
        rig.outbound.stop()
    }

    @Test("a stream whose lane cannot have a session crosses to one that is up, and its lane tries again")
    func crossesToALaneThatIsUp() async throws {
        let server = try await TestServer.start()
        let loops = Loops(threads: 2)
        let rig = Rig(port: server.port, on: loops.all[0], [loops.all[1]])
        let tried = rig.outbound.start()
        let first = try await server.next()
        try await first.send("ready")
        try await tried.get()
        // The spare one is made for the first stream of its loop, and turned away.
        let waiting = try await rig.open(on: loops.all[1])
        try await server.next().finish()
        #expect(try await waiting.get() == .sessionLost)
        #expect(try await rig.open(on: loops.all[1]).get() == nil)
        // It was missed, so it has been asked for at once.
        let second = try await server.next()
        try await second.send("ready")
        for _ in 0..<2 { _ = await rig.log.next("tunnel up") }
        #expect(try await rig.open(on: loops.all[1]).get() == nil)
        rig.outbound.stop()
        #expect(String(buffer: try await first.everything().bytes) == "stream")
        #expect(String(buffer: try await second.everything().bytes) == "stream")
        try await server.stop()
        loops.stop()
    }

    @Test func comesBackAfterALoss() async throws {
        let server = try await TestServer.start()
        let rig = Rig(port: server.port)
        let tried = rig.outbound.start()
        let peer = try await server.next()
        try await peer.send("ready")
        try await tried.get()
        try await peer.finish()
        let line = await rig.log.next("tunnel down; trying again")
        #expect(line?.metadata["reason"] == "closed by the peer")
        let second = try await server.next()
        try await second.send("ready")
        _ = await rig.log.next("tunnel up")
        #expect(try await rig.open().get() == nil)
        _ = try await second.received(atLeast: 6)
        rig.outbound.stop()
        try await server.stop()
    }

    @Test func aResetCountsAsALoss() async throws {
        let server = try await TestServer.start()
        let rig = Rig(port: server.port)
        _ = rig.outbound.start()
        let peer = try await server.next()
        try await peer.send("ready")
        _ = await rig.log.next("tunnel up")
        peer.reset()
        let line = await rig.log.next("tunnel down; trying again")
        #expect(line?.metadata["reason"]?.hasPrefix("carrier lost") == true)
        _ = try await server.next()
        rig.outbound.stop()
        try await server.stop()
    }

    @Test func stopEndsTheSessionAndTheWaiting() async throws {
        let server = try await TestServer.start()
        let rig = Rig(port: server.port)
        let tried = rig.outbound.start()
        let peer = try await server.next()
        let waiting = try await rig.open()
        rig.outbound.stop()
        #expect(try await waiting.get() == .shutdown)
        try await tried.get()
        #expect(try await peer.everything().end == .finished)
        #expect(try await rig.open().get() == .shutdown)
        #expect(rig.log.lines.isEmpty)
        try await server.stop()
    }

    @Test func stopWhileRestingAsksNobodyAnyMore() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let rig = Rig(port: closed.number)
        try await rig.outbound.start().get()
        rig.outbound.stop()
        #expect(try await rig.open().get() == .shutdown)
        let lines = rig.log.lines.count
        // The pause that was under way, and more: nobody is dialled at its end.
        let loop = try #require(rig.outbound.home)
        try await loop.scheduleTask(in: .milliseconds(600)) {}.futureResult.get()
        #expect(rig.log.lines.count == lines)
    }

    @Test func thePeerMayNotOpenStreams() async throws {
        let server = try await TestServer.start()
        let rig = Rig(port: server.port)
        _ = rig.outbound.start()
        let peer = try await server.next()
        try await peer.send("open")
        #expect(String(buffer: try await peer.received(atLeast: 14)) == "#1 not allowed")
        rig.outbound.stop()
        try await server.stop()
    }
}
