// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// Drives any ``SessionMachine`` over the leg that carries it: the one place where actions become I/O.
///
/// Commands from anywhere (carrier bytes, legs, the judge, the alarm) only change the machine and ask for a turn; the
/// turn pulls actions until nil, flushes the carrier once and every touched leg once.
package final class SessionHandler<Machine: SessionMachine> {
    var machine: Machine
    let owner: any SessionOwner
    let registry: LoopRegistry
    package let loop: SocketLoop
    /// The other loops, where it may move.
    let loops: Loops?
    var carrier: any Leg
    /// Streams that are joined to another leg.
    var legs: [StreamID: StreamLeg] = [:]
    /// The bridges of streams that the peer opened, until they are handed over.
    var bridges: [StreamID: Bridge] = [:]
    /// Streams that the peer opened and whose destination is being reached.
    var dialing: [StreamID: any OpenAttempt] = [:]
    /// Streams that we opened and whose answer is due.
    var asked: [StreamID: (Result<any Leg, StreamFault>) -> Void] = [:]

    package private(set) var user: String?
    package private(set) var isReady = false
    package let started: NIODeadline
    package private(set) var wasDenied = false
    private var dirty: [StreamLeg] = []
    private var isTurning = false
    private var turnIsDue = false
    private var alarm: LoopTimer?
    private var whyFailed: String?
    /// Bytes that the carrier's other end has, where the machine wants to know.
    private var acknowledged: UInt64 = 0
    private(set) var isOver = false

    package init(
        _ machine: Machine, on carrier: any Leg, owner: any SessionOwner, context: LoopContext
    ) {
        self.machine = machine
        self.carrier = carrier
        self.owner = owner
        self.registry = context.registry
        self.loop = context.loop
        self.loops = context.loops
        self.started = context.loop.now
    }

    package var peer: SocketAddress? { self.carrier.peer }
    package var streamCount: Int { self.legs.count }
    package var grantList: GrantList { self.machine.grantList }
    package var label: SessionLabel? { self.owner.isTunnel ? self.owner.label : nil }
    package var unit: UnitTag? { self.owner.label?.unit }
    package var isIdle: Bool {
        !self.isOpening && self.legs.keys.allSatisfy { self.bridges[$0]?.waitsForUse ?? false }
    }
    package var isOpening: Bool { !self.dialing.isEmpty || !self.asked.isEmpty }

    /// Takes the carrier and starts the machine.
    package func start() {
        self.carrier.events = self
        self.registry.insert(self)
        self.owner.sessionBegan(self)
        self.machine.start(now: self.loop.now)
        self.carrier.begin()
        self.turn()
    }
}

// MARK: - The turn

extension SessionHandler {
    /// A carrier that takes all it is offered must not keep the loop from everybody else.
    private static var flushesPerTurn: Int { 4 }

    /// Pulls the machine dry. Never entered twice: what happens meanwhile is seen by the pull that is under way.
    func turn() {
        self.turnIsDue = false
        guard !self.isTurning, !self.isOver else { return }
        self.isTurning = true
        let now = self.loop.now
        var flushes = 0
        while !self.isOver, let action = self.machine.next(now: now, writable: self.carrier.isWritable) {
            self.perform(action)
            // What has left at once is still in the processor's cache, and its buffer can be used again.
            guard case .write = action, flushes < Self.flushesPerTurn, !self.carrier.isWritable else { continue }
            flushes += 1
            self.carrier.flush()
        }
        self.isTurning = false
        if !self.isOver { self.carrier.flush() }
        self.flushLegs()
        guard !self.isOver else { return }
        self.setAlarm()
        self.carrier.setReading(self.machine.wantsBytes)
    }

    private func flushLegs() {
        guard !self.dirty.isEmpty else { return }
        let touched = self.dirty
        self.dirty.removeAll(keepingCapacity: true)
        for leg in touched {
            leg.isDirty = false
            leg.events?.receivedBurst(by: leg)
        }
    }

    private func setAlarm() {
        // An alarm that rings too early costs one idle turn: cheaper than moving it at every step.
        guard var deadline = self.machine.wantsTurn ? self.loop.now : self.machine.deadline else { return }
        // What is due and was not done now waits for something else, and must not keep the loop busy with itself.
        if deadline <= self.loop.now { deadline = self.loop.now + .milliseconds(1) }
        if let alarm, alarm.deadline <= deadline { return }
        self.alarm?.cancel()
        self.alarm = self.loop.timer(at: deadline) {
            self.alarm = nil
            self.turn()
        }
    }

    private func perform(_ action: SessionAction) {
        switch action {
        case .write(let bytes):
            self.carrier.write(bytes)
        case .isolateWrites:
            if let segment = self.carrier.isolateWrites() { self.machine.isolated(segment: segment) }
        case .deliver(let id, let bytes):
            guard let leg = self.legs[id] else { return }
            leg.received(bytes)
            if !leg.isDirty {
                leg.isDirty = true
                self.dirty.append(leg)
            }
        case .pause(let id): self.legs[id]?.pause()
        case .resume(let id): self.legs[id]?.resume()
        case .open(let id, let request): self.reach(request, for: id)
        case .opened(let id): self.answered(id)
        case .finish(let id):
            self.legs[id]?.finished()
        case .end(let id, let fault): self.streamEnded(id, fault)
        case .authenticate(let claim): self.judge(claim)
        case .ready:
            self.isReady = true
            self.owner.sessionReady(self)
        case .granted(let grant): self.owner.sessionGranted(self, grant)
        case .serve(let destination):
            if let reason = self.owner.sessionServes(self, destination) { self.machine.withheld(destination, reason) }
        case .withdraw(let destination): self.owner.sessionWithdraws(self, destination)
        case .handOver(let id, let leftover): self.handOver(id, leftover)
        case .close(let reason): self.close(reason)
        }
    }

    private func judge(_ claim: Claim) {
        let (judge, peer) = (self.owner.judge, self.carrier.peer)
        if let verdict = judge.verdict(on: claim, from: peer) { return self.judged(verdict, claim) }
        let promise = self.loop.makePromise(of: Verdict.self)
        promise.completeWithTask { await judge.judge(claim, from: peer) }
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.judged((try? result.get()) ?? .denied, claim)
            self.turn()
        }
    }

    private func judged(_ verdict: Verdict, _ claim: Claim) {
        switch verdict {
        case .accepted(let name, _): self.user = name
        case .denied where self.isOver: break
        case .denied:
            self.wasDenied = true
            self.owner.loginDenied(self, claim)
        }
        self.machine.judged(verdict)
    }
}

// MARK: - The end

extension SessionHandler {
    private func sayLastWords() {
        while case .write(let bytes)? = self.machine.next(now: self.loop.now, writable: false) {
            self.carrier.write(bytes)
        }
    }

    private func close(_ reason: CloseReason) {
        self.carrier.flush()
        guard !self.isOver else { return }
        self.over(reason)
        self.carrier.events = nil
        self.carrier.end(self.fault(for: reason))
    }

    /// What was sent is not all there was, and the peer must not take it for the end.
    private func fault(for reason: CloseReason) -> StreamFault? {
        switch reason {
        case .carrierLost, .cutOff: .aborted
        // Whatever waits here will not leave any more.
        case .shutdown: self.machine.mayEndInOrder && self.carrier.waiting == 0 ? nil : .aborted
        case .finished, .denied, .rejected, .redirected, .timedOut, .violation: nil
        }
    }

    /// Every stream of the session ends with it, and so does every attempt to reach a destination for it.
    func over(_ reason: CloseReason) {
        guard !self.isOver else { return }
        self.isOver = true
        self.alarm?.cancel()
        self.alarm = nil
        let legs = self.legs
        let asked = self.asked
        let dialing = self.dialing
        self.legs = [:]
        self.bridges = [:]
        self.asked = [:]
        self.dialing = [:]
        for attempt in dialing.values { attempt.cancel() }
        // Where a user's connection is the session, its streams were left by the user.
        let fault: StreamFault = reason == .shutdown ? .shutdown : self.owner.isTunnel ? .sessionLost : .aborted
        for leg in legs.values { leg.ended(fault) }
        for answer in asked.values { answer(.failure(reason.isRefusal ? .notAllowed : fault)) }
        self.registry.remove(self)
        self.owner.sessionEnded(self, reason)
    }

    /// Its machine goes on elsewhere.
    func leave() {
        self.isOver = true
        self.alarm?.cancel()
        self.alarm = nil
        self.registry.remove(self)
    }

    /// Ends the session from outside.
    package func shutDown(_ reason: CloseReason) {
        guard !self.isOver else { return }
        if self.machine.shutDown() { self.sayLastWords() }
        self.close(reason)
    }
}

// MARK: - The carrier

extension SessionHandler: LegEvents {
    package var needs: LegNeeds {
        self.machine.hearsAcknowledgements ? [.ownBytes, .pauses, .counts] : [.ownBytes, .pauses]
    }

    package func received(_ bytes: ByteBuffer, by leg: any Leg) {
        guard !self.isOver else { return }
        self.machine.receive(bytes)
        self.carrier.consumed(bytes.readableBytes)
        // Behind a long read the system acknowledges by itself.
        if bytes.readableBytes < SocketOptions.longRead, self.machine.peerHoldsBack { self.carrier.acknowledge() }
        // One turn per read, not per burst: a burst may be megabytes, and its buffers can be used again.
        self.turn()
    }

    package func receivedBurst(by leg: any Leg) {}

    package func finished(by leg: any Leg) {
        self.machine.receiveEnd()
        self.turn()
    }

    package func sent(_ count: Int, by leg: any Leg) {
        guard self.machine.hearsAcknowledgements, count > 0 else { return }
        self.acknowledged += UInt64(count)
        self.machine.acknowledged(upTo: self.acknowledged)
        self.wake()
    }

    package func writabilityChanged(of leg: any Leg) { self.wake() }

    package func failed(by error: any Error) { self.whyFailed = TLSFailure.sentence(for: error) }

    package func ended(_ leg: any Leg, _ fault: StreamFault?) {
        leg.events = nil
        let what = fault == .aborted ? "connection reset" : "connection lost: \((fault ?? .failed).rawValue)"
        self.over(.carrierLost(self.whyFailed ?? what))
    }
}

@available(*, unavailable)
extension SessionHandler: Sendable {}

// MARK: - The legs

extension SessionHandler: SessionDriver {
    package func send(_ bytes: ByteBuffer, on stream: StreamID) { self.machine.send(bytes, on: stream) }

    package var isCarrierFull: Bool { !self.carrier.isWritable }

    package func hasRoom(on stream: StreamID) -> Bool { self.machine.hasRoom(on: stream) }

    package func finish(_ stream: StreamID) {
        self.machine.finish(stream)
        self.wake()
    }

    package func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let leg = self.legs.removeValue(forKey: stream) else { return }
        self.bridges[stream] = nil
        self.machine.reset(stream, fault)
        self.wake()
        leg.forget()
        leg.events?.ended(leg, fault)
    }

    package func consumed(_ count: Int, on stream: StreamID) {
        let wanted = self.machine.wantsBytes
        self.machine.consumed(count, on: stream)
        if (!wanted && self.machine.wantsBytes) || self.machine.wantsTurn { self.wake() }
    }

    package func wake() {
        guard !self.turnIsDue, !self.isTurning, !self.isOver else { return }
        self.turnIsDue = true
        self.loop.defer { self.turn() }
    }
}
