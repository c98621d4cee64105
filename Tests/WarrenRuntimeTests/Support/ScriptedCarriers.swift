// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore

@testable import WarrenRuntime

/// Carriers whose dials the test answers, at once or later. Everything is on one thread.
final class ScriptedCarriers: @unchecked Sendable {
    // Sendable: carriers are values that may travel, but these are used on the thread of their test only.

    /// One dial that was made.
    final class Dial: OpenAttempt {
        let carrier: Int
        let at: NIODeadline
        private var answer: ((Result<any Leg, CarrierFailure>) -> Void)?
        var isUnderWay: Bool { self.answer != nil }

        fileprivate init(
            _ carrier: Int, _ at: NIODeadline, _ answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
        ) {
            self.carrier = carrier
            self.at = at
            self.answer = answer
        }

        func give(_ result: Result<any Leg, CarrierFailure>) {
            let answer = self.answer
            self.answer = nil
            answer?(result)
        }

        func cancel() { self.answer = nil }
    }

    private(set) var dials: [Dial] = []
    /// Answers a dial before it returns, if the test likes.
    var atOnce: (Dial) -> Void = { _ in }
    /// What becomes of a connected carrier.
    var makeSession: (Int, any Leg, any SessionOwner) throws -> Void = { _, leg, _ in leg.discard() }

    var underWay: [Dial] { self.dials.filter(\.isUnderWay) }

    func carriers(_ count: Int, areStreams: Bool = false) -> [SessionCarrier] {
        (0..<count).map { index in
            SessionCarrier(
                "far\(index):1", isStream: areStreams,
                dial: { loop, answer in
                    let dial = Dial(index, loop.now, answer)
                    self.dials.append(dial)
                    self.atOnce(dial)
                    return dial
                },
                makeSession: { leg, owner, _ in try self.makeSession(index, leg, owner) }
            )
        }
    }
}
