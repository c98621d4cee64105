// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

/// A stream that is asked for on one loop and opened on another: its bytes cross once, by a pair of ``CrossingLeg``s.
final class Crossing: OpenAttempt, @unchecked Sendable {
    // Sendable: `answer` is touched on `near` only, the other variables on `far` only.
    typealias Answer = (Result<any Leg, StreamFault>) -> Void

    private let near: SocketLoop
    private let far: SocketLoop
    private var answer: Answer?
    private var attempt: (any OpenAttempt)?
    private var isOver = false

    private init(_ near: SocketLoop, _ far: SocketLoop, _ answer: @escaping Answer) {
        self.near = near
        self.far = far
        self.answer = answer
    }

    /// To be called on `near`, where the answer comes, later.
    ///
    /// - Parameter open: opens the stream, on `far`.
    static func open(
        from near: SocketLoop, to far: SocketLoop, answer: @escaping Answer,
        _ open: @escaping @Sendable (@escaping Answer) -> any OpenAttempt
    ) -> any OpenAttempt {
        let crossing = Crossing(near, far, answer)
        far.execute { crossing.start(open) }
        return crossing
    }

    func cancel() {
        self.answer = nil
        self.far.execute {
            self.isOver = true
            self.attempt?.cancel()
            self.attempt = nil
        }
    }

    private func start(_ open: (@escaping Answer) -> any OpenAttempt) {
        guard !self.isOver else { return }
        let attempt = open { result in
            guard !self.isOver else {
                if case .success(let leg) = result { leg.discard() }
                return
            }
            self.isOver = true
            self.attempt = nil
            self.opened(result)
        }
        if !self.isOver { self.attempt = attempt }
    }

    private func opened(_ result: Result<any Leg, StreamFault>) {
        switch result {
        case .success(let leg):
            let (end, other) = CrossingLeg.pair(self.far, self.near)
            let bridge = Bridge(front: end, back: leg, on: self.far) { _ in }
            let arriving = Arriving(leg: other)
            // First, so that what the stream says at once comes behind the answer.
            self.near.execute { self.answered(.success(arriving.leg)) }
            bridge.begin()
        case .failure(let fault): self.near.execute { self.answered(.failure(fault)) }
        }
    }

    private func answered(_ result: Result<any Leg, StreamFault>) {
        guard let answer else {
            if case .success(let leg) = result { leg.discard() }
            return
        }
        self.answer = nil
        answer(result)
    }
}

/// The end for the other loop, on its way there.
private struct Arriving: @unchecked Sendable {
    // Sendable: whoever makes it does not touch the leg any more.
    let leg: CrossingLeg
}
