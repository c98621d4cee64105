// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Refuses every stream with a fault of its own.
private struct RefusingOutbound: Outbound {
    let name: String
    let fault: StreamFault
    var home: SocketLoop? { nil }

    func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        answer(.failure(self.fault))
        return NoAttempt()
    }
}

@Suite struct HeirTests {
    private static func sessions(
        _ fault: StreamFault, for user: String? = nil, fixed: Destination? = nil
    ) -> InboundSessions {
        InboundSessions(
            UnitTag(role: "inbound", name: "in"), protocol: "test",
            to: StreamTarget(RefusingOutbound(name: "to", fault: fault)),
            judge: user.map { ScriptedJudge(verdict: .accepted(name: $0)) } ?? NoAuthenticator(), isTunnel: true,
            fixed: fixed, reporter: LogRecorder().reporter)
    }

    /// How a stream of these sessions fails, which tells who opened it.
    private static func fault(_ sessions: InboundSessions, user: String? = nil) -> StreamFault? {
        var request = StreamRequest(.fixed)
        request.user = user
        var fault: StreamFault?
        _ = sessions.open(sessions.routed(request), on: .manual()) { if case .failure(let why) = $0 { fault = why } }
        return fault
    }

    @Test func whatDrainsIsOpenedByWhoeverCameLast() {
        let place = Destination.tcp(.name("far"), port: 1)
        let first = Self.sessions(.refused)
        let (second, third) = (Self.sessions(.timedOut, fixed: place), Self.sessions(.stalled))
        first.leave(to: second)
        #expect(Self.fault(first) == .refused)
        first.unit.retire()
        #expect(Self.fault(first) == .timedOut && Self.fault(first.speaking("other")) == .timedOut)
        #expect(first.routed(StreamRequest(.fixed)).destination == place)
        second.leave(to: third)
        second.unit.retire()
        #expect(Self.fault(first) == .stalled && Self.fault(second) == .stalled)
        // Nobody came after this one.
        third.unit.retire()
        #expect(Self.fault(first) == .shutdown)
        #expect(Self.fault(first.refusing()) == .limit)
    }

    @Test func onlyWhoeverIsLetInIsServed() {
        let former = Self.sessions(.refused, for: "alice")
        former.leave(to: Self.sessions(.timedOut, for: "bob"))
        former.unit.retire()
        #expect(Self.fault(former, user: "bob") == .timedOut)
        #expect(Self.fault(former, user: "alice") == .shutdown)
    }

    @Test func streamsAreOfTheUnitThatDrainsUntilThatIsOver() {
        let (first, second, third) = (Self.sessions(.refused), Self.sessions(.refused), Self.sessions(.refused))
        first.leave(to: second)
        second.leave(to: third)
        for sessions in [first, second] { sessions.unit.retire() }
        #expect(first.source?.unit === first.unit)
        first.unit.end()
        #expect(first.source?.unit === second.unit)
        second.unit.end()
        #expect(first.source?.unit === third.unit)
    }
}
