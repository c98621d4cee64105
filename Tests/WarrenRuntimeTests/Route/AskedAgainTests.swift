// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Streams whose session, or whose carrier's tunnel, ends before they are answered.
@Suite struct AskedAgainTests {
    /// An outbound whose dials succeed at once, the sessions that were made, and one stream.
    private final class World {
        let loop = SocketLoop.manual()
        let script = ScriptedCarriers()
        private(set) var sessions: [AskedSession] = []
        private(set) var answers: [StreamFault?] = []
        private(set) var attempt: (any OpenAttempt)?

        init() {
            self.script.atOnce = { $0.give(.success(ScriptedLeg())) }
            self.script.makeSession = { [unowned self] _, _, owner in
                let session = AskedSession(owner)
                self.sessions.append(session)
                session.begin()
            }
        }

        func lane() -> SessionOutbound {
            SessionOutbound(
                name: "far", on: self.loop, carrier: self.script.carriers(1)[0], reporter: LogRecorder().reporter)
        }

        func perStream(areStreams: Bool) -> PerStreamOutbound {
            let carriers = self.script.carriers(1, areStreams: areStreams)
            return PerStreamOutbound(name: "far", reporter: LogRecorder().reporter) {
                PerStreamOutbound.Route(carriers: carriers)
            }
        }

        func ask(_ outbound: any Outbound) {
            self.attempt = outbound.open(.named("far"), trusted: false, on: self.loop) { [unowned self] result in
                if case .failure(let fault) = result { self.answers.append(fault) } else { self.answers.append(nil) }
            }
            self.loop.runOnce()
        }

        /// The next session comes up, once there is one.
        func comeUp() {
            self.loop.advance(by: .seconds(1))
            self.sessions.last?.comeUp()
            self.loop.runOnce()
        }

        func lose() {
            self.sessions.last?.end(.finished)
            self.loop.runOnce()
        }
    }

    @Test("a stream whose session ends before its answer is asked for on the next one, and no more than once")
    func onTheNextSession() {
        let world = World()
        let lane = world.lane()
        _ = lane.start()
        world.comeUp()
        world.ask(lane)
        #expect(world.sessions.map(\.wasAsked) == [true])
        world.lose()
        #expect(world.answers == [])
        world.comeUp()
        #expect(world.sessions.map(\.wasAsked) == [true, true])
        world.sessions.last?.answer(.success(ScriptedLeg()))
        #expect(world.answers == [nil])
        world.ask(lane)
        world.lose()
        world.comeUp()
        world.lose()
        #expect(world.answers == [nil, .sessionLost])
        lane.stop()
        world.loop.runOnce()
    }

    @Test("what a session says of one behind it is passed on") func behindTheSession() {
        let world = World()
        let lane = world.lane()
        _ = lane.start()
        world.comeUp()
        world.ask(lane)
        world.sessions.last?.answer(.failure(.sessionLost))
        world.loop.runOnce()
        #expect(world.answers == [.sessionLost])
        #expect(world.sessions.count == 1)
        lane.stop()
        world.loop.runOnce()
    }

    @Test("who has left is not asked for again") func cancelled() {
        let world = World()
        let lane = world.lane()
        _ = lane.start()
        world.comeUp()
        world.ask(lane)
        world.sessions.last?.end(.finished)
        world.attempt?.cancel()
        world.loop.runOnce()
        world.comeUp()
        #expect(world.sessions.map(\.wasAsked) == [true, false])
        #expect(world.answers == [])
        lane.stop()
        world.loop.runOnce()
    }

    @Test("a carrier that ends unasked is tried once more where it is a stream of a tunnel", arguments: [true, false])
    func carriers(areStreams: Bool) {
        let world = World()
        let outbound = world.perStream(areStreams: areStreams)
        world.ask(outbound)
        world.lose()
        #expect(world.sessions.count == (areStreams ? 2 : 1))
        if areStreams {
            #expect(world.answers == [])
            world.lose()
        }
        #expect(world.answers == [.noServer])
        #expect(world.script.dials.count == (areStreams ? 2 : 1))
    }

    @Test("the same where it ends when the stream has been asked for") func askedCarriers() {
        let world = World()
        let outbound = world.perStream(areStreams: true)
        world.ask(outbound)
        world.comeUp()
        world.lose()
        #expect(world.answers == [])
        #expect(world.sessions.count == 2)
        world.comeUp()
        world.sessions.last?.answer(.success(ScriptedLeg()))
        #expect(world.answers == [nil])
    }
}
