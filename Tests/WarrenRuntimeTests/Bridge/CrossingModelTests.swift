// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// Streams between two loops, whose ends write, read, pause and end in any order.
@Suite("Crossings: two loops, any order") struct CrossingModelTests {
    @Test func whatGoesInComesOut() {
        for run in 0..<ModelRuns.count {
            let model = CrossingModel(seed: UInt64(run))
            model.run()
            #expect(model.complaints.isEmpty, "seed \(run): \(model.complaints)")
            if !model.complaints.isEmpty { return }
        }
    }

    @Test("a stream that is opened on another loop is answered on the one that asked")
    func opens() throws {
        let (near, far) = (SocketLoop.manual(), SocketLoop.manual())
        let leg = ScriptedLeg()
        let (found, opening) = (Found(), Found())
        opening.result = .success(leg)
        _ = Crossing.open(
            from: near, to: far, answer: { found.result = $0 },
            { answer in
                if let result = opening.result { answer(result) }
                return NoAttempt()
            })
        #expect(found.result == nil)
        far.runOnce()
        #expect(found.result == nil)
        near.runOnce()
        let end = try #require(try found.result?.get())
        end.write(ByteBuffer(string: "there"))
        end.flush()
        far.runOnce()
        #expect(leg.take().contains(.write("there")))
    }

    @Test func aRefusalComesBack() {
        let (near, far) = (SocketLoop.manual(), SocketLoop.manual())
        let found = Found()
        _ = Crossing.open(
            from: near, to: far, answer: { found.result = $0 },
            { answer in
                answer(.failure(.refused))
                return NoAttempt()
            })
        far.runOnce()
        near.runOnce()
        #expect(throws: StreamFault.refused) { _ = try found.result?.get() }
    }

    @Test("whoever gives up hears nothing, and what was opened for it is let go", arguments: [0, 1, 2])
    func cancels(after steps: Int) {
        let (near, far) = (SocketLoop.manual(), SocketLoop.manual())
        let leg = ScriptedLeg()
        let found = Found()
        let kept = Kept()
        let attempt = Crossing.open(
            from: near, to: far, answer: { found.result = $0 },
            { answer in
                kept.answer = answer
                return kept
            })
        if steps > 0 { far.runOnce() }
        if steps > 1 { kept.answer?(.success(leg)) }
        attempt.cancel()
        for _ in 0..<3 {
            far.runOnce()
            near.runOnce()
        }
        kept.answer?(.success(leg))
        far.runOnce()
        #expect(found.result == nil)
        #expect(steps == 0 || leg.take().contains(.end(.aborted)))
        #expect(kept.isCancelled == (steps < 2))
    }
}

/// What was answered.
private final class Found: @unchecked Sendable {
    // Sendable: the test has one thread.
    var result: Result<any Leg, StreamFault>?
}

/// An attempt whose answer comes when the test says so.
private final class Kept: OpenAttempt, @unchecked Sendable {
    // Sendable: the test has one thread.
    var answer: ((Result<any Leg, StreamFault>) -> Void)?
    private(set) var isCancelled = false
    func cancel() { self.isCancelled = true }
}

private final class CrossingModel {
    /// Whoever uses one end.
    final class User: LegEvents {
        let needs: LegNeeds
        let leg: CrossingLeg
        var said = ByteBuffer()
        var heard = ByteBuffer()
        var untaken = 0
        var isReading = true
        var hasBegun = false
        var hasFinished = false
        var hasEnded = false
        var finishes = 0
        var ends: [StreamFault?] = []
        var sent = 0
        var complaints: [String] = []

        init(_ leg: CrossingLeg, pauses: Bool) {
            self.leg = leg
            self.needs = pauses ? [.counts, .pauses] : [.counts]
            leg.events = self
        }

        func received(_ bytes: ByteBuffer, by leg: any Leg) {
            if self.needs.contains(.pauses), !self.isReading { self.complaints.append("told while it does not read") }
            if !self.hasBegun { self.complaints.append("told before it began") }
            if self.finishes > 0 || !self.ends.isEmpty { self.complaints.append("bytes behind the end") }
            self.heard.writeImmutableBuffer(bytes)
            self.untaken += bytes.readableBytes
        }
        func receivedBurst(by leg: any Leg) {}
        func finished(by leg: any Leg) { self.finishes += 1 }
        func sent(_ count: Int, by leg: any Leg) { self.sent += count }
        func writabilityChanged(of leg: any Leg) {
            if !leg.isWritable { self.complaints.append("told of room that there is not") }
        }
        func ended(_ leg: any Leg, _ fault: StreamFault?) { self.ends.append(fault) }
    }

    private static let window = 100
    private var random: SeededRandom
    private let loops = [SocketLoop.manual(), SocketLoop.manual()]
    private let users: [User]
    private var number: UInt8 = 0
    private(set) var complaints: [String] = []

    init(seed: UInt64) {
        var random = SeededRandom(seed)
        let (one, two) = CrossingLeg.pair(self.loops[0], self.loops[1], window: Self.window)
        self.users = [one, two].map { User($0, pauses: Bool.random(using: &random)) }
        self.random = random
    }

    func run() {
        for _ in 0..<Int.random(in: 1...80, using: &self.random) where self.complaints.isEmpty {
            self.step()
            self.look()
        }
        self.finishAll()
        self.check()
    }

    private func step() {
        let side = Int.random(in: 0...1, using: &self.random)
        let user = self.users[side]
        switch Int.random(in: 0..<20, using: &self.random) {
        case 0..<6: self.write(user)
        case 6..<9: self.loops[side].runOnce()
        case 9..<12: self.take(user, Int.random(in: 1...150, using: &self.random))
        case 12: user.leg.flush()
        case 13, 14: self.begin(user)
        case 15, 16:
            user.isReading.toggle()
            user.leg.setReading(user.isReading)
        case 17:
            guard !user.hasEnded, user.ends.isEmpty else { return }
            user.hasFinished = true
            user.leg.finish()
        default:
            guard Int.random(in: 0..<6, using: &self.random) == 0, user.ends.isEmpty else { return }
            user.hasEnded = true
            user.leg.end(Bool.random(using: &self.random) ? nil : .aborted)
        }
    }

    private func begin(_ user: User) {
        guard !user.hasBegun else { return }
        user.hasBegun = true
        user.leg.begin()
    }

    private func write(_ user: User) {
        guard user.leg.isWritable, !user.hasFinished, !user.hasEnded, user.ends.isEmpty else { return }
        let count = Int.random(in: 1...50, using: &self.random)
        let bytes = ByteBuffer(
            bytes: (0..<count).map { _ in
                self.number &+= 1
                return self.number
            })
        user.said.writeImmutableBuffer(bytes)
        user.leg.write(bytes)
        if Bool.random(using: &self.random) { user.leg.flush() }
    }

    private func take(_ user: User, _ most: Int) {
        let count = min(most, user.untaken)
        guard count > 0 else { return }
        user.untaken -= count
        user.leg.consumed(count)
    }

    private func look() {
        for (user, other) in [(self.users[0], self.users[1]), (self.users[1], self.users[0])] {
            self.complaints += user.complaints
            let heard = user.heard.readableBytes
            if !user.heard.readableBytesView.elementsEqual(other.said.readableBytesView.prefix(heard)) {
                self.complaints.append("other bytes")
            }
            if user.leg.waiting > Self.window + 50 { self.complaints.append("too much under way") }
            if user.sent > other.heard.readableBytes { self.complaints.append("more sent than was heard") }
            if user.finishes > 1 || user.ends.count > 1 { self.complaints.append("an end told twice") }
            if user.finishes > 0 && !other.hasFinished { self.complaints.append("an end that nobody said") }
        }
    }

    private func finishAll() {
        for _ in 0..<20 where self.complaints.isEmpty {
            for (loop, user) in zip(self.loops, self.users) {
                self.begin(user)
                user.isReading = true
                user.leg.setReading(true)
                if user.ends.isEmpty, !user.hasFinished, !user.hasEnded {
                    user.hasFinished = true
                    user.leg.finish()
                }
                loop.runOnce()
                self.take(user, .max)
                loop.runOnce()
            }
            self.look()
        }
        for user in self.users where user.ends.isEmpty && !user.hasEnded {
            user.hasEnded = true
            user.leg.end(nil)
        }
        for _ in 0..<3 { for loop in self.loops { loop.runOnce() } }
        self.look()
    }

    private func check() {
        guard self.complaints.isEmpty else { return }
        let anyEnded = self.users.contains { $0.ends.first.map { $0 != nil } ?? false }
        for (user, other) in [(self.users[0], self.users[1]), (self.users[1], self.users[0])] {
            if user.ends.count != 1 { self.complaints.append("\(user.ends.count) ends") }
            guard !anyEnded, !user.hasEnded || user.finishes > 0 else { continue }
            if user.heard != other.said, user.finishes > 0 { self.complaints.append("bytes were lost") }
        }
    }
}
