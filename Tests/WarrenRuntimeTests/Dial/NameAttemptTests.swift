// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Reaching a name through a far end that knows addresses alone.
@Suite struct NameAttemptTests {
    /// What a far end was asked for, and what it answers to each address.
    private final class FarEnd {
        let loop = SocketLoop.manual()
        var answers: [String: StreamFault] = [:]
        /// Answers at once, before the attempt has been given back.
        var isPrompt = false
        var asked: [String] = []
        var pending: [NameAttempt.Answer] = []
        var results: [StreamFault?] = []
        var cancelled = 0

        func dial(_ resolver: ScriptedResolver) -> NameAttempt {
            NameAttempt("far", resolver, for: .unknown, on: self.loop) { result in
                if case .failure(let fault) = result { self.results.append(fault) } else { self.results.append(nil) }
            } proceed: { address, answer in
                self.asked.append("\(address)")
                guard self.isPrompt else {
                    self.pending.append(answer)
                    return Attempt(of: self)
                }
                self.reply("\(address)", answer)
                return Attempt(of: self)
            }
        }

        func reply(_ address: String, _ answer: NameAttempt.Answer) {
            if let fault = self.answers[address] { answer(.failure(fault)) } else { answer(.success(ScriptedLeg())) }
        }

        func replyToAll() {
            while !self.pending.isEmpty {
                let (address, answer) = (self.asked[self.asked.count - self.pending.count], self.pending.removeFirst())
                self.reply(address, answer)
            }
        }
    }

    private final class Attempt: OpenAttempt {
        let farEnd: FarEnd
        init(of farEnd: FarEnd) { self.farEnd = farEnd }
        func cancel() { self.farEnd.cancelled += 1 }
    }

    @Test("every address is tried, IPv4 first, until one answers", arguments: [true, false])
    func triesAll(isPrompt: Bool) {
        let far = FarEnd()
        far.isPrompt = isPrompt
        far.answers = ["192.0.2.1": .refused, "192.0.2.2": .unreachable]
        let attempt = far.dial(ScriptedResolver(v4: ["192.0.2.1", "192.0.2.2"], v6: ["2001:db8::1"]))
        far.replyToAll()
        #expect(far.asked == ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
        #expect(far.results == [nil])
        #expect(far.loop.timers.count == 0)
        attempt.cancel()
        #expect(far.cancelled == 0, "it is the user's by now")
    }

    @Test("the fault that tells most is told when all have failed", arguments: [true, false])
    func tellsTheBestFault(isPrompt: Bool) {
        let far = FarEnd()
        far.isPrompt = isPrompt
        far.answers = ["192.0.2.1": .refused, "2001:db8::1": .unreachable]
        _ = far.dial(ScriptedResolver(v4: ["192.0.2.1"], v6: ["2001:db8::1"]))
        far.replyToAll()
        #expect(far.results == [.refused])
    }

    @Test("what is no fault of an address is told at once", arguments: [StreamFault.limit, .sessionLost, .shutdown])
    func stopsAtOtherFaults(fault: StreamFault) {
        let far = FarEnd()
        far.answers = ["192.0.2.1": fault]
        _ = far.dial(ScriptedResolver(v4: ["192.0.2.1", "192.0.2.2"], v6: []))
        far.replyToAll()
        #expect(far.asked == ["192.0.2.1"] && far.results == [fault])
    }

    @Test func aNameWithoutAddressesIsUnknown() {
        let far = FarEnd()
        _ = far.dial(ScriptedResolver(v4: [], v6: []))
        #expect(far.results == [.unknownHost])
    }

    @Test func aSilentResolverHasTenSeconds() {
        let far = FarEnd()
        let resolver = ScriptedResolver(v4: nil, v6: [])
        _ = far.dial(resolver)
        far.loop.advance(by: .milliseconds(9999))
        #expect(far.results == [])
        far.loop.advance(by: .milliseconds(1))
        #expect(far.results == [.timedOut])
        resolver.answer(.v4, ["192.0.2.1"])
        far.loop.runOnce()
        #expect(far.asked == [] && far.results == [.timedOut])
    }

    @Test("who leaves takes what is under way along")
    func cancelled() {
        let far = FarEnd()
        let attempt = far.dial(ScriptedResolver(v4: ["192.0.2.1"], v6: []))
        attempt.cancel()
        #expect(far.cancelled == 1)
        far.replyToAll()
        #expect(far.results == [])
    }
}
