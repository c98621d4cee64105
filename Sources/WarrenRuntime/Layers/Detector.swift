// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// Tells by the first bytes which of several protocols a connection speaks, then makes room for that one.
package final class Detector {
    /// Lets somebody take over the connection.
    package typealias Install = (any Leg) throws -> Void

    /// One protocol that may be spoken on the port.
    package struct Candidate {
        package var detect: (ByteBufferView) -> Detection
        /// Lets the protocol take over the connection.
        package var install: Install

        package init(detect: @escaping (ByteBufferView) -> Detection, install: @escaping Install) {
            self.detect = detect
            self.install = install
        }
    }

    private let leg: any Leg
    private let candidates: [Candidate]
    private let others: Install?
    private let onStranger: (ByteBuffer) -> Void
    private var head = ByteBuffer()
    private var timer: LoopTimer?
    private var isSettled = false

    /// - Parameters:
    ///   - others: takes what says something and speaks none of the protocols; without it that is closed.
    ///   - onStranger: called before a connection that speaks none of the protocols, or nothing at all, is closed.
    package init(
        _ leg: any Leg, _ candidates: [Candidate], others: Install? = nil, onStranger: @escaping (ByteBuffer) -> Void
    ) {
        self.leg = leg
        self.candidates = candidates
        self.others = others
        self.onStranger = onStranger
    }

    /// - Parameter timeout: how long the first bytes may take.
    package func start(timeout: TimeAmount, on loop: SocketLoop) {
        self.timer = loop.timer(in: timeout) { self.giveUp() }
        self.leg.events = self
        self.leg.begin()
    }

    private func settle(_ install: Install) {
        self.isSettled = true
        self.timer?.cancel()
        self.leg.unread(self.head)
        self.head = ByteBuffer()
        do {
            try install(self.leg)
        } catch {
            self.leg.discard()
        }
    }

    private func giveUp() {
        guard !self.isSettled else { return }
        self.isSettled = true
        self.timer?.cancel()
        self.onStranger(self.head)
        self.leg.events = nil
        self.leg.end(nil)
    }
}

extension Detector: LegEvents {
    package var needs: LegNeeds { .ownBytes }

    package func received(_ bytes: ByteBuffer, by leg: any Leg) {
        guard !self.isSettled else { return }
        self.head.take(bytes)
        var isOpen = false
        for candidate in self.candidates {
            switch candidate.detect(self.head.readableBytesView) {
            case .yes: return self.settle(candidate.install)
            case .no: continue
            case .needs(let count): isOpen = isOpen || count <= Detection.mostBytes
            }
        }
        guard !isOpen else { return }
        if let others { self.settle(others) } else { self.giveUp() }
    }

    package func receivedBurst(by leg: any Leg) {}
    package func finished(by leg: any Leg) { self.giveUp() }
    package func sent(_ count: Int, by leg: any Leg) {}
    package func writabilityChanged(of leg: any Leg) {}

    package func ended(_ leg: any Leg, _ fault: StreamFault?) {
        leg.events = nil
        self.isSettled = true
        self.timer?.cancel()
    }
}

@available(*, unavailable)
extension Detector: Sendable {}
