// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

private let one = CarrierID(1)
private let two = CarrierID(2)

/// How a meeting place retires and stops.
@Suite(.timeLimit(.minutes(1))) struct MeetingEndTests {
    @Test("a place that retires takes nobody in, and lets those who are there meet") func retires() async throws {
        let rig = MeetingRig()
        try await rig.place.start().get()
        let legs = try await rig.on { place, _ in
            let legs = [ScriptedLeg(), ScriptedLeg()]
            for leg in legs { place.arrive(leg) }
            place.retire()
            return NIOLoopBound(legs, eventLoop: place.loop)
        }
        try await rig.on { place, script in
            let (back, front) = (legs.value[0], legs.value[1])
            let (late, expected) = (ScriptedLeg(), ScriptedLeg())
            place.arrive(late)
            place.arrive(expected, as: place.expect()) { _ in true }
            #expect(late.take() == [.end(.aborted)])
            #expect(expected.take() == [.end(.aborted)])
            script.says(.pair(.init(front: two, back: one, fromFront: .init(), fromBack: .init(), meeting: "m")))
            place.tell { _, _ in }
            front.receive("x")
            #expect(back.take().suffix(2) == [.write("x"), .flush])
            #expect(!script.calls.contains(.arrive(CarrierID(3), nil)))
            rig.loops.registry(on: place.loop).evict()
        }
        rig.loops.stop()
    }

    @Test("a carrier that was expected and comes too late is not there: the machine hears that it has left")
    func expectedTooLate() async throws {
        let rig = MeetingRig()
        rig.place.stop()
        try await rig.on { place, script in
            let (leg, id) = (ScriptedLeg(), place.expect())
            place.arrive(leg, as: id) { machine in
                machine.script.hears(.other("is there"))
                return true
            }
            #expect(leg.take() == [.end(.aborted)])
            #expect(script.take() == [.leave(id)])
        }
        rig.loops.stop()
    }

    @Test("stopping resets who waits; those who have met are others' to end") func stops() async throws {
        let rig = MeetingRig()
        let legs = try await rig.on { place, script in
            let legs = [ScriptedLeg(), ScriptedLeg(), ScriptedLeg()]
            for leg in legs { place.arrive(leg) }
            script.says(.pair(.init(front: two, back: one, fromFront: .init(), fromBack: .init(), meeting: "m")))
            place.tell { _, _ in }
            place.stop()
            return NIOLoopBound(legs, eventLoop: place.loop)
        }
        try await rig.on { place, _ in
            let (back, front, waiting) = (legs.value[0], legs.value[1], legs.value[2])
            #expect(waiting.take() == [.begin, .end(.aborted)])
            #expect(waiting.events == nil)
            front.receive("x")
            #expect(back.take().suffix(2) == [.write("x"), .flush])
            let late = ScriptedLeg()
            place.arrive(late)
            #expect(late.take() == [.end(.aborted)])
            rig.loops.registry(on: place.loop).evict()
            #expect(front.take().last == .end(.shutdown))
            #expect(back.take().last == .end(.shutdown))
        }
        try await rig.settle()
        #expect([one, two].map(rig.leaves) == [1, 1])
        rig.loops.stop()
    }
}
