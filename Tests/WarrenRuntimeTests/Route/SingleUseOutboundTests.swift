// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Answers when the test says so.
private final class PatientOutbound: Outbound, @unchecked Sendable {
    // Sendable: used on the test's own thread only.
    let name = "patient"
    let home: SocketLoop? = nil
    var answers: [(Result<any Leg, StreamFault>) -> Void] = []

    func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        self.answers.append(answer)
        return NoAttempt()
    }
}

@Suite struct SingleUseOutboundTests {
    private let log = LogRecorder()
    private let inner = PatientOutbound()
    private let loop = SocketLoop.manual()

    /// Asks for a stream, and writes down what became of it.
    private func ask(_ outbound: SingleUseOutbound, _ fault: @escaping (StreamFault?) -> Void) -> any OpenAttempt {
        outbound.open(.named("far"), trusted: true, on: self.loop) { result in
            if case .failure(let why) = result { fault(why) } else { fault(nil) }
        }
    }

    private var outbound: SingleUseOutbound {
        SingleUseOutbound(self.inner, reporter: self.log.reporter, whenUsed: "it is used up")
    }

    @Test("the second stream is refused with the reason, while the first is asked for and after it was had")
    func refusesTheSecond() {
        let outbound = self.outbound
        var faults: [StreamFault?] = []
        _ = self.ask(outbound) { faults.append($0) }
        _ = self.ask(outbound) { faults.append($0) }
        #expect(faults == [.limit])
        self.inner.answers[0](.success(ScriptedLeg()))
        _ = self.ask(outbound) { faults.append($0) }
        #expect(faults == [.limit, nil, .limit])
        #expect(self.inner.answers.count == 1)
        #expect(self.log.lines.map(\.message) == ["patient: it is used up", "patient: it is used up"])
        #expect(self.log.lines.allSatisfy { $0.level == .warning })
    }

    @Test("a stream that could not be had, or was given up, leaves it free for the next one")
    func failuresLeaveItFree() {
        let outbound = self.outbound
        var faults: [StreamFault?] = []
        _ = self.ask(outbound) { faults.append($0) }
        self.inner.answers[0](.failure(.refused))
        self.ask(outbound) { faults.append($0) }.cancel()
        _ = self.ask(outbound) { faults.append($0) }
        self.inner.answers[2](.success(ScriptedLeg()))
        #expect(faults == [.refused, nil])
        #expect(self.log.lines.isEmpty)
    }
}
