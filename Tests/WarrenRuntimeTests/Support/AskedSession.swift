// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A session whose streams the test answers. On the thread of its test only.
final class AskedSession: Session {
    let loop: SocketLoop
    private let owner: any SessionOwner
    private(set) var isOver = false
    private(set) var isReady = false
    private(set) var wasAsked = false
    let peer: SocketAddress?
    let user: String?
    /// Streams that wait for an answer.
    private(set) var asked: [Asked] = []
    private(set) var legs: [ScriptedLeg] = []
    /// Answers a stream before `open` returns, if the test likes.
    var atOnce: () -> Result<any Leg, StreamFault>? = { nil }

    init(
        _ owner: any SessionOwner, peer: SocketAddress? = nil, user: String? = nil, on loop: SocketLoop = .manual()
    ) {
        self.owner = owner
        self.peer = peer
        self.user = user
        self.loop = loop
    }

    func begin() { self.owner.sessionBegan(self) }

    func comeUp() {
        guard !self.isReady, !self.isOver else { return }
        self.isReady = true
        self.owner.sessionReady(self)
    }

    func open(_ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt {
        self.wasAsked = true
        guard !self.isOver else {
            answer(.failure(.sessionLost))
            return NoAttempt()
        }
        if let result = self.atOnce() {
            answer(result)
            return NoAttempt()
        }
        let asked = Asked(answer)
        self.asked.append(asked)
        return asked
    }

    /// Answers the stream that has waited longest.
    func answer(_ result: Result<any Leg, StreamFault>) {
        self.asked.removeAll { $0.isCancelled }
        guard !self.asked.isEmpty else { return }
        self.asked.removeFirst().give(result)
    }

    func shutDown(_ reason: CloseReason) { self.end(reason) }

    func end(_ reason: CloseReason) {
        guard !self.isOver else { return }
        self.isOver = true
        let asked = self.asked
        self.asked = []
        for one in asked { one.give(.failure(.sessionLost)) }
        self.owner.sessionEnded(self, reason)
    }

    final class Asked: OpenAttempt {
        private var answer: ((Result<any Leg, StreamFault>) -> Void)?
        var isCancelled: Bool { self.answer == nil }

        fileprivate init(_ answer: @escaping (Result<any Leg, StreamFault>) -> Void) { self.answer = answer }

        fileprivate func give(_ result: Result<any Leg, StreamFault>) {
            let answer = self.answer
            self.answer = nil
            answer?(result)
        }

        func cancel() { self.answer = nil }
    }
}

/// A user's stream in a model: answered once, or not at all when it was given up.
final class ModelStream {
    private(set) var answers = 0
    private(set) var isCancelled = false
    private var attempt: (any OpenAttempt)?
    /// Counts answers behind the user's back.
    var isRight: Bool { self.isCancelled ? self.answers == 0 : self.answers == 1 }
    var isOpen: Bool { !self.isCancelled && self.answers == 0 }
    var isAnsweredTwice: Bool { self.answers > 1 || (self.isCancelled && self.answers > 0) }

    func ask(_ outbound: any Outbound, _ request: StreamRequest, on loop: SocketLoop) {
        self.attempt = outbound.open(request, trusted: false, on: loop) { [unowned self] _ in self.answers += 1 }
    }

    func cancel() {
        guard self.isOpen else { return }
        self.isCancelled = true
        self.attempt?.cancel()
    }
}
