// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A keeper on a loop that moves by hand, whose carriers all fail at once.
private final class Rig {
    let loop = SocketLoop.manual()
    let log = LogRecorder()
    let owner = ScriptedOwner()
    let keeper: Reconnector
    private let box = Box()

    private final class Box {
        var lost: [StreamFault] = []
        var tries = 0
    }

    var lost: [StreamFault] { self.box.lost }
    var tries: Int { self.box.tries }
    var messages: [String] { self.log.lines.map(\.message) }
    /// The pause that was announced last, in milliseconds.
    var pause: Int64? { self.log.lines.last?.metadata["retryMs"].flatMap { Int64($0) } }

    init(_ carriers: [SessionCarrier] = [.failing("far", .refused)]) {
        self.keeper = Reconnector(
            .outbound("far"), on: self.loop, carriers: carriers, reporter: self.log.reporter, owner: self.owner
        )
        let box = self.box
        self.keeper.whenLost = { box.lost.append($0) }
        self.keeper.whenTried = { box.tries += 1 }
    }

    /// Fails until the pauses are long.
    func failOften() {
        self.keeper.start()
        while (self.pause ?? 0) < 5000 { self.loop.advance(by: Backoff.longest) }
    }

    var isResting: Bool { if case .resting = self.keeper.condition { true } else { false } }
    var isStopped: Bool { if case .stopped = self.keeper.condition { true } else { false } }
}

/// A session that only remembers why it was shut down.
private final class IdleSession: Session {
    let loop = SocketLoop.manual()
    private(set) var reasons: [CloseReason] = []
    var peer: SocketAddress? { nil }
    var user: String? { nil }
    var isReady: Bool { true }

    func open(_ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt {
        answer(.failure(.limit))
        return NoAttempt()
    }
    func shutDown(_ reason: CloseReason) { self.reasons.append(reason) }
}

private let notHad = "carrier failed"
private let notUp = "tunnel not up; trying again"

@Suite struct ReconnectorTests {
    @Test("carriers are tried in their order; when all have failed it is said once, and everybody learns of it")
    func triesAllCarriers() {
        let rig = Rig([.failing("one", .refused), .failing("two", .timedOut), .failing("three", .unreachable)])
        rig.keeper.start()
        #expect(rig.messages == [notHad, notHad, notUp])
        #expect(rig.log.lines.map(\.level) == [.notice, .notice, .warning])
        #expect(rig.log.lines.map { $0.metadata["peer"] } == ["one:1", "two:1", "three:1"])
        #expect(rig.log.lines.map { $0.metadata["outbound"] } == ["far", "far", "far"])
        let reasons = ["refused", "timed out", "unreachable"].map { "cannot connect: \($0)" }
        #expect(rig.log.lines.map { $0.metadata["reason"] } == reasons)
        #expect(rig.lost == [.sessionLost])
        #expect(rig.tries == 1)
        #expect(rig.isResting)
    }

    @Test("after the pause the first carrier is tried again, not before")
    func startsOverAfterThePause() throws {
        let rig = Rig([.failing("one"), .failing("two")])
        rig.keeper.start()
        #expect(rig.pause == 250)
        rig.loop.advance(by: .milliseconds(250) - .nanoseconds(1))
        #expect(rig.messages.count == 2)
        rig.loop.advance(by: .nanoseconds(1))
        #expect(rig.log.lines.map { $0.metadata["peer"] } == ["one:1", "two:1", "one:1", "two:1"])
        #expect(rig.messages == [notHad, notUp, notHad, notUp])
        #expect(rig.lost == [.sessionLost, .sessionLost])
        #expect(rig.tries == 1)
    }

    @Test("where nobody answers the pauses stay short, so that it is back soon after the network")
    func staysAwakeWithoutANetwork() throws {
        for fault in [StreamFault.timedOut, .unreachable, .unknownHost] {
            let rig = Rig([.failing("far", fault)])
            rig.keeper.start()
            for _ in 0..<100 {
                #expect(try #require(rig.pause) <= 1000)
                rig.loop.advance(by: .seconds(1))
            }
            rig.keeper.stop()
        }
        let mixed = Rig([.failing("one", .timedOut), .failing("two", .refused)])
        mixed.failOften()
        mixed.keeper.stop()
    }

    @Test func hurryEndsALongPause() throws {
        let rig = Rig()
        rig.failOften()
        let lines = rig.messages.count
        rig.keeper.hurry()
        rig.loop.advance(by: Backoff.shortest)
        #expect(rig.messages.count == lines + 1)
        rig.keeper.stop()
        rig.keeper.hurry()
        rig.loop.advance(by: Backoff.longest)
        #expect(rig.messages.count == lines + 1)
    }

    @Test func nextWhileItRestsChangesNothing() {
        let rig = Rig()
        rig.failOften()
        let lines = rig.messages.count
        rig.keeper.next()
        rig.loop.advance(by: .seconds(1))
        #expect(rig.messages.count == lines)
        rig.keeper.stop()
    }

    @Test("nothing lost is made again once it retires: a pause that is under way leads to no dial")
    func retiresWhileItRests() {
        let dials = Mailbox<Bool>()
        let rig = Rig([.failing { dials.put(true) }])
        rig.keeper.start()
        #expect(dials.all.count == 1)
        rig.keeper.retire()
        for _ in 0..<5 { rig.loop.advance(by: Backoff.longest) }
        #expect(dials.all.count == 1)
        #expect(rig.messages == [notUp])
        #expect(rig.lost == [.sessionLost, .shutdown])
        #expect(rig.isStopped)
        #expect(rig.loop.timers.count == 0)
    }

    @Test("a dial that is under way when it retires is its last")
    func retiresWhileItDials() {
        let rig = Rig([.failing("one"), .failing("two")])
        rig.keeper.retire()
        rig.keeper.start()
        #expect(rig.messages == [])
        #expect(rig.lost == [.shutdown])
        #expect(rig.tries == 1)
        #expect(rig.isStopped)
    }

    @Test func stopWhileItRestsIsForGood() {
        let rig = Rig()
        rig.keeper.start()
        rig.keeper.stop()
        for _ in 0..<5 { rig.loop.advance(by: Backoff.longest) }
        rig.keeper.start()
        rig.keeper.next()
        #expect(rig.messages == [notUp])
        #expect(rig.lost == [.sessionLost, .shutdown])
        #expect(rig.isStopped)
        #expect(rig.loop.timers.count == 0)
    }

    @Test func stopBeforeTheStartIsForGood() {
        let rig = Rig()
        rig.keeper.stop()
        #expect(rig.lost == [.shutdown])
        #expect(rig.tries == 1)
        rig.keeper.start()
        #expect(rig.messages == [])
        #expect(rig.isStopped)
    }

    @Test("a dial that is under way when it stops is given up") func stopsWhileItDials() async throws {
        let silent = try await TestServer.start(accepts: false)
        let rig = Rig([.words(port: silent.port)])
        rig.keeper.start()
        #expect(rig.loop.timers.count == 2, "the connection's time, and when it is tried once more")
        #expect(rig.lost == [])
        rig.keeper.stop()
        #expect(rig.loop.timers.count == 0)
        #expect(rig.lost == [.shutdown])
        #expect(rig.tries == 1)
        try await silent.stop()
    }

    @Test("a session that did all it was for is followed by the next one, 5 ms after it was begun at the soonest")
    func takesTurns() {
        let dials = Mailbox<Bool>()
        var rig: Rig
        var count: Int
        var began: NIODeadline
        // The pause is counted by the clock: what takes too long to be told is told again.
        repeat {
            rig = Rig([.failing { dials.put(true) }])
            began = .now()
            rig.keeper.start()
            count = dials.all.count
            rig.keeper.began(IdleSession())
            rig.keeper.ready(IdleSession())
            rig.keeper.next()
        } while .now() - began >= .milliseconds(4)
        #expect(rig.isResting)
        rig.loop.advance(by: .zero)
        #expect(dials.all.count == count)
        rig.loop.advance(by: .milliseconds(5))
        #expect(dials.all.count == count + 1)
        rig.keeper.stop()
    }

    @Test("a session that is logging in, or up, is shut down by a stop, and one that comes after it", arguments: 0...2)
    func stopEndsTheSession(state: Int) {
        let rig = Rig()
        let session = IdleSession()
        rig.keeper.start()
        if state == 2 { rig.keeper.stop() } else { rig.keeper.began(session) }
        if state > 0 { rig.keeper.ready(session) }
        if state < 2 { rig.keeper.stop() }
        #expect(session.reasons == [.shutdown])
        rig.keeper.ended(.shutdown)
        rig.loop.advance(by: Backoff.longest)
        #expect(rig.isStopped)
        #expect(rig.messages == [notUp] + (state == 1 ? ["tunnel up"] : []))
        #expect(rig.lost == [.sessionLost, .shutdown])
    }
}
