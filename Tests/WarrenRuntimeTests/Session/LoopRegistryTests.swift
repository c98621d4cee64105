// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A session that only remembers why it was shut down.
private final class IdleSession: Session {
    private let tag: UnitTag?
    private let carriesConnections: Bool
    var streamCount = 0
    var isOpening = false
    var isReady = true

    init(of tag: UnitTag? = nil, carriesConnections: Bool = false) {
        self.tag = tag
        self.carriesConnections = carriesConnections
    }

    var label: SessionLabel? {
        self.tag.map { SessionLabel(role: "a", name: "b", unit: $0, carriesConnections: self.carriesConnections) }
    }

    let loop = SocketLoop.manual()
    var reasons: [CloseReason] = []
    var peer: SocketAddress? { nil }
    var user: String? { nil }
    func open(_ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt {
        NoAttempt()
    }
    func shutDown(_ reason: CloseReason) { self.reasons.append(reason) }
}

/// A bridge between scripted legs that lives in `registry`.
private final class Resident {
    let front = ScriptedLeg()
    let back = ScriptedLeg()
    private let box = Box()
    private final class Box { var faults: [StreamFault?] = [] }
    var faults: [StreamFault?] { self.box.faults }

    init(in registry: LoopRegistry, on loop: SocketLoop = .manual(), to far: (any Leg)? = nil) {
        let box = self.box
        var ticket: LoopRegistry.Ticket?
        let bridge = Bridge(front: self.front, back: far ?? self.back, on: loop) { report in
            box.faults.append(report.fault)
            if let ticket { registry.remove(ticket) }
        }
        ticket = registry.insert(bridge)
        bridge.begin()
    }
}

@Suite struct LoopRegistryTests {
    @Test func sweepsOnlyWhatIsIdle() {
        let registry = LoopRegistry()
        let loop = SocketLoop.manual()
        let (idle, busy) = (Resident(in: registry, on: loop), Resident(in: registry, on: loop))
        loop.advance(by: .seconds(1))
        let moment = loop.now
        busy.front.receive("a")
        registry.sweep(idleSince: moment)
        #expect(idle.faults == [.idle])
        #expect(busy.faults.isEmpty)
        #expect(registry.bridgeCount == 1)
    }

    @Test func anEmptyDrainIsDoneAtOnce() {
        let registry = LoopRegistry()
        var isDone = false
        registry.drain { isDone = true }
        #expect(isDone)
        #expect(registry.isDraining)
    }

    @Test func drainsUntilTheLastRelayHasEnded() {
        let registry = LoopRegistry()
        let (first, second) = (Resident(in: registry), Resident(in: registry))
        var done = 0
        registry.drain { done += 1 }
        first.front.isGone(nil)
        #expect(done == 0)
        second.back.isGone(.aborted)
        #expect(done == 1)
        #expect(first.faults == [nil])
        #expect(second.faults == [.aborted])
    }

    @Test func aConnectionMadeInAdvanceKeepsNoDrainUntilItIsUsed() {
        for isUsed in [false, true] {
            let (registry, loop) = (LoopRegistry(), SocketLoop.manual())
            let (end, accepted) = CrossingLeg.pair(loop, from: nil, isInAdvance: true)
            let bridge = Resident(in: registry, on: loop, to: end)
            if isUsed { accepted.comesIntoUse() }
            loop.runOnce()
            var isDone = false
            registry.drain { isDone = true }
            #expect(isDone == !isUsed)
            #expect(bridge.faults.isEmpty)
            accepted.end(nil)
            loop.runOnce()
            #expect(bridge.faults == [nil] && isDone)
        }
    }

    @Test func evictsRelaysAndSessions() {
        let registry = LoopRegistry()
        let bridge = Resident(in: registry)
        let session = IdleSession()
        registry.insert(session)
        registry.evict()
        #expect(bridge.faults == [.shutdown])
        #expect(session.reasons == [.shutdown])
        registry.remove(session)
        #expect(registry.sessionCount == 0)
    }

    @Test func aSessionOfAUnitThatHasLeftEndsWithItsLastStream() {
        let registry = LoopRegistry()
        let (left, stays) = (UnitTag(role: "inbound", name: "in"), UnitTag(role: "inbound", name: "in"))
        let units: Set = [ObjectIdentifier(left)]
        let (busy, idle, other) = (IdleSession(of: left), IdleSession(of: left), IdleSession(of: stays))
        let (late, opening) = (IdleSession(of: left), IdleSession(of: left))
        busy.streamCount = 1
        late.isReady = false
        opening.isOpening = true
        for session in [busy, idle, other, late, opening] { registry.insert(session) }
        #expect(registry.settle(units, evicts: false) > 0)
        #expect(idle.reasons == [.shutdown])
        registry.remove(idle)
        busy.streamCount = 0
        late.isReady = true
        opening.isOpening = false
        #expect(registry.settle(units, evicts: false) == 0)
        #expect([busy, late, opening].allSatisfy { $0.reasons == [.shutdown] })
        #expect(other.reasons.isEmpty)
    }

    @Test func connectionsInATunnelKeepNoUnitThatHasLeft() {
        let registry = LoopRegistry()
        let left = UnitTag(role: "inbound", name: "in")
        let tunnel = IdleSession(of: left, carriesConnections: true)
        tunnel.streamCount = 3
        registry.insert(tunnel)
        #expect(registry.settle([ObjectIdentifier(left)], evicts: false) == 0)
        #expect(tunnel.reasons.isEmpty)
        _ = registry.settle([ObjectIdentifier(left)], evicts: true)
        #expect(tunnel.reasons == [.shutdown])
    }
}
