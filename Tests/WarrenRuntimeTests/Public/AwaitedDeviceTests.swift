// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Visitors of a name whose device has gone a moment ago.
@Suite struct AwaitedDeviceTests {
    private final class World {
        let loop = SocketLoop.manual()
        let outbound: PublicNamesOutbound
        private(set) var answers: [StreamFault?] = []

        init() {
            let plan = PublicNamesOutbound.Plan(duplicates: .replace, judge: NoAuthenticator()) { leg, _, _ in
                leg.discard()
            }
            self.outbound = PublicNamesOutbound(
                plan, name: "devices", loops: .manual(), reporter: LogRecorder().reporter)
        }

        func device(_ name: String = "dev.test") -> AskedSession {
            let owner = self.outbound.owner(of: nil)
            let session = AskedSession(owner, user: "dev", on: self.loop)
            session.begin()
            session.comeUp()
            #expect(owner.sessionServes(session, .service(name: name, port: 0)) == nil)
            return session
        }

        @discardableResult func visit(_ name: String = "dev.test") -> any OpenAttempt {
            self.outbound.open(StreamRequest(.service(name: name, port: 443)), trusted: false, on: self.loop) {
                [unowned self] result in
                if case .failure(let fault) = result { self.answers.append(fault) } else { self.answers.append(nil) }
            }
        }
    }

    @Test func oneThatComesBackHasItsVisitors() {
        let world = World()
        world.device().end(.finished)
        world.visit()
        world.loop.advance(by: .milliseconds(200))
        #expect(world.answers == [])
        let device = world.device()
        // At once: nobody looks for it now and then.
        world.loop.runOnce()
        #expect(device.asked.count == 1)
        device.answer(.success(ScriptedLeg()))
        #expect(world.answers == [nil])
        #expect(world.loop.timers.count == 0)
    }

    @Test func oneThatStaysAwayIsToldOf() {
        let world = World()
        world.device().end(.finished)
        world.visit()
        world.loop.advance(by: AwaitedDevice.patience)
        #expect(world.answers == [.unreachable])
        #expect(world.loop.timers.count == 0)
    }

    @Test func nobodyWaitsForOneThatNeverCame() {
        let world = World()
        world.visit("never.test")
        #expect(world.answers == [.unknownHost])
    }

    @Test("one that was served elsewhere, which is gone, is waited for from the first visitor on")
    func servedElsewhere() {
        let world = World()
        world.outbound.table.expect(["late.test"])
        world.visit("late.test")
        #expect(world.answers == [])
        world.loop.advance(by: AwaitedDevice.patience)
        #expect(world.answers == [.unreachable])
    }

    @Test func whoLeavesIsNotTakenToIt() {
        let world = World()
        world.device().end(.finished)
        let attempt = world.visit()
        attempt.cancel()
        #expect(world.loop.timers.count == 0)
        let device = world.device()
        world.loop.advance(by: .seconds(1))
        #expect(!device.wasAsked && world.answers == [])
    }

    @Test func onlySoManyWait() {
        let world = World()
        world.device().end(.finished)
        let waiting = (0..<256).map { _ in world.visit() }
        #expect(world.answers == [])
        world.visit()
        #expect(world.answers == [.unreachable])
        for attempt in waiting.prefix(2) { attempt.cancel() }
        world.visit()
        #expect(world.answers == [.unreachable])
        world.loop.advance(by: .seconds(1))
        #expect(world.answers.count == 256)
    }

    @Test func aStopEndsTheWaiting() {
        let world = World()
        world.device().end(.finished)
        world.visit()
        world.outbound.stop()
        world.loop.runOnce()
        #expect(world.answers == [.shutdown])
        #expect(world.loop.timers.count == 0)
    }

    @Test("a visitor who waits costs one timer, and is woken by a device of its name only")
    func onlyItsOwnName() {
        let world = World()
        for name in ["dev.test", "*.dev.test"] { world.device(name).end(.finished) }
        for _ in 0..<10 { world.visit() }
        world.visit("x.dev.test")
        #expect(world.loop.timers.count == 11)
        let other = world.device("other.test")
        world.loop.runOnce()
        #expect(world.answers == [] && !other.wasAsked)
        let wildcard = world.device("*.dev.test")
        world.loop.runOnce()
        #expect(wildcard.asked.count == 1 && world.loop.timers.count == 10)
        let device = world.device()
        world.loop.runOnce()
        #expect(device.asked.count == 10 && world.loop.timers.count == 0)
    }

    @Test("a device that a former relay of the same unit takes in is told of, too")
    func aFormerTable() {
        let (former, world) = (World(), World())
        world.outbound.follow(former.outbound)
        world.device().end(.finished)
        world.visit()
        let device = former.device()
        world.loop.runOnce()
        former.loop.runOnce()
        #expect(device.asked.count == 1)
        device.answer(.success(ScriptedLeg()))
        world.loop.runOnce()
        #expect(world.answers == [nil])
    }
}
