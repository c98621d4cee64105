// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore
import WarrenLoop

// Streams that the peer opens, streams that we open, and the carrier that becomes a stream.
extension SessionHandler {
    /// The peer opened a stream: find its other leg.
    func reach(_ request: StreamRequest, for id: StreamID) {
        guard !self.registry.isDraining else { return self.machine.reset(id, .shutdown) }
        self.carrier.comesIntoUse()
        var request = request
        if request.source == nil { request.source = self.carrier.peer }
        request.user = self.user
        guard !self.moves(for: request, id) else { return }
        self.open(request, for: id)
    }

    /// Asks the owner for the other leg.
    func open(_ request: StreamRequest, for id: StreamID) {
        let request = self.owner.routed(request)
        // The answer may come before `open` returns; only a later one needs the attempt kept.
        var isAnswered = false
        let started = self.loop.now
        let attempt = self.owner.open(request, on: self.loop) { result in
            isAnswered = true
            self.dialing[id] = nil
            self.reached(id, request, result, since: started)
        }
        if !isAnswered { self.dialing[id] = attempt }
    }

    private func reached(
        _ id: StreamID, _ request: StreamRequest, _ result: Result<any Leg, StreamFault>, since started: NIODeadline
    ) {
        guard !self.isOver else {
            if case .success(let leg) = result { leg.discard() }
            return
        }
        switch result {
        case .success(let back):
            let front = StreamLeg(id, of: self, on: self.loop)
            self.legs[id] = front
            let bridge = self.makeBridge(front: front, back: back, request)
            self.bridges[id] = bridge
            self.machine.accept(id)
            self.turn()
            // Not before the machine had its say: one that hands over makes another bridge of it.
            bridge.begin()
        case .failure(let fault):
            let report = BridgeReport(bytesIn: 0, bytesOut: 0, duration: self.loop.now - started, fault: fault)
            self.owner.streamEnded(request, report, user: self.user)
            self.machine.reset(id, fault)
            self.turn()
        }
    }

    private func makeBridge(front: StreamLeg, back: any Leg, _ request: StreamRequest) -> Bridge {
        let owner = self.owner
        let registry = self.registry
        let bridge = Bridge(
            front: front, back: back, on: self.loop,
            ending: { bridge, report in
                if let ticket = bridge.ticket { registry.remove(ticket) }
                guard let request = bridge.opening?.request else { return }
                owner.streamEnded(request, report, user: request.user)
            })
        bridge.opening = StreamOpening(request, from: owner.source)
        bridge.ticket = registry.insert(bridge)
        return bridge
    }

    /// Opens a stream toward the peer. `answer` is called exactly once, unless the attempt is cancelled.
    package func open(
        _ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        do throws(StreamFault) {
            guard !self.isOver else { throw .sessionLost }
            let id = try self.machine.open(request, now: self.loop.now)
            self.asked[id] = answer
            self.wake()
            return AskedStream(id: id, of: self)
        } catch {
            answer(.failure(error))
            return NoAttempt()
        }
    }

    func answered(_ id: StreamID) {
        guard let answer = self.asked.removeValue(forKey: id) else { return }
        let leg = StreamLeg(id, of: self, on: self.loop)
        self.legs[id] = leg
        answer(.success(leg))
    }

    fileprivate func forget(_ id: StreamID) {
        guard self.asked.removeValue(forKey: id) != nil else { return }
        self.machine.reset(id, .aborted)
        self.wake()
    }

    func streamEnded(_ id: StreamID, _ fault: StreamFault?) {
        if let answer = self.asked.removeValue(forKey: id) {
            answer(.failure(fault ?? .failed))
        } else if let attempt = self.dialing.removeValue(forKey: id) {
            attempt.cancel()
        } else if let leg = self.legs.removeValue(forKey: id) {
            self.bridges[id] = nil
            leg.forget()
            leg.ended(fault)
        }
    }

    /// The machine is done: its carrier is the stream from here on, without any cost of the protocol.
    func handOver(_ id: StreamID, _ leftover: ByteBuffer) {
        if let answer = self.asked.removeValue(forKey: id) { return self.handOver(leftover, to: answer) }
        guard let bridge = self.bridges.removeValue(forKey: id) else { return self.shutDown(.finished) }
        self.legs[id] = nil
        self.carrier.flush()
        guard !self.isOver else { return }
        self.over(.finished)
        bridge.replaceFront(by: self.carrier, early: leftover)
    }

    /// The stream that we asked for is the carrier itself.
    private func handOver(_ leftover: ByteBuffer, to answer: (Result<any Leg, StreamFault>) -> Void) {
        self.carrier.flush()
        guard !self.isOver else { return answer(.failure(.sessionLost)) }
        self.over(.finished)
        self.carrier.events = nil
        self.carrier.unread(leftover)
        self.carrier.setReading(true)  // the machine may have stopped it
        answer(.success(self.carrier))
    }
}

/// A stream that was asked for and has no answer yet.
private final class AskedStream<Machine: SessionMachine>: OpenAttempt {
    private let id: StreamID
    private weak var handler: SessionHandler<Machine>?

    init(id: StreamID, of handler: SessionHandler<Machine>) {
        self.id = id
        self.handler = handler
    }

    func cancel() { self.handler?.forget(self.id) }
}
