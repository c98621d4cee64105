// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// Drives any ``SessionMachine``: the one place where actions become I/O. The last handler of its carrier.
///
/// Commands from anywhere (carrier bytes, legs, the judge, the alarm) only change the machine and ask for a turn; the
/// turn pulls actions until nil, flushes the carrier once and every touched leg once.
package final class SessionHandler<Machine: SessionMachine> {
    var machine: Machine
    let owner: any SessionOwner
    let residents: Residents
    var context: ChannelHandlerContext?
    /// Streams that are joined to another leg.
    var legs: [StreamID: StreamLeg] = [:]
    /// The relays of streams that the peer opened, until they are handed over.
    var relays: [StreamID: Relay] = [:]
    /// Streams that the peer opened and whose destination is being reached.
    var dialing: [StreamID: any OpenAttempt] = [:]
    /// Streams that we opened and whose answer is due.
    var asked: [StreamID: (Result<any Leg, StreamFault>) -> Void] = [:]

    package private(set) var user: String?
    package private(set) var isReady = false
    private var dirty: [StreamLeg] = []
    private var isTurning = false
    private var turnIsDue = false
    private var isReading = false
    private(set) var carrierEnded = false
    private var alarm: (at: NIODeadline, callback: NIOScheduledCallback)?
    private(set) var isOver = false

    package init(_ machine: Machine, owner: any SessionOwner, residents: Residents) {
        self.machine = machine
        self.owner = owner
        self.residents = residents
    }

    package var channel: (any Channel)? { self.context?.channel }
}

// MARK: - The turn

extension SessionHandler {
    /// Pulls the machine dry. Never entered twice: what happens meanwhile is seen by the pull that is under way.
    func turn() {
        self.turnIsDue = false
        guard !self.isTurning, !self.isOver, let context else { return }
        self.isTurning = true
        let now = context.eventLoop.now
        while !self.isOver, let action = self.machine.next(now: now, writable: context.channel.isWritable) {
            self.perform(action, context: context)
        }
        self.isTurning = false
        if !self.isOver { context.flush() }
        self.flushLegs()
        guard !self.isOver else { return }
        self.setAlarm(context: context)
        self.readOn(context: context)
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

    private func readOn(context: ChannelHandlerContext) {
        guard !self.isReading, !self.carrierEnded, self.machine.wantsBytes else { return }
        self.isReading = true
        context.read()
    }

    private func setAlarm(context: ChannelHandlerContext) {
        // An alarm that rings too early costs one idle turn: cheaper than moving it at every step.
        guard let deadline = self.machine.deadline else { return }
        if let alarm, alarm.at <= deadline { return }
        self.alarm?.callback.cancel()
        let ring = Alarm(handler: NIOLoopBound(self, eventLoop: context.eventLoop))
        guard let callback = try? context.eventLoop.scheduleCallback(at: deadline, handler: ring) else { return }
        self.alarm = (deadline, callback)
    }

    private struct Alarm: NIOScheduledCallbackHandler {
        let handler: NIOLoopBound<SessionHandler>
        func handleScheduledCallback(eventLoop: some EventLoop) {
            self.handler.value.alarmRang()
        }
    }

    private func alarmRang() {
        self.alarm = nil
        // Held up by readers, some of which may be about to be ended: what they have taken must be known first.
        if !self.machine.wantsBytes {
            for leg in self.legs.values { leg.events?.recountReader(of: leg) }
        }
        self.turn()
    }

    private func perform(_ action: SessionAction, context: ChannelHandlerContext) {
        switch action {
        case .write(let bytes):
            context.write(NIOAny(bytes), promise: nil)
        case .deliver(let id, let bytes):
            guard let leg = self.legs[id] else { return }
            leg.events?.received(bytes, by: leg)
            if !leg.isDirty {
                leg.isDirty = true
                self.dirty.append(leg)
            }
        case .pause(let id): self.legs[id]?.pause()
        case .resume(let id): self.legs[id]?.resume()
        case .open(let id, let request): self.reach(request, for: id, context: context)
        case .opened(let id): self.answered(id, context: context)
        case .finish(let id):
            if let leg = self.legs[id] { leg.events?.finished(by: leg) }
        case .end(let id, let fault): self.streamEnded(id, fault)
        case .authenticate(let claim): self.judge(claim, context: context)
        case .ready:
            self.isReady = true
            self.owner.sessionReady(self)
        case .handOver(let id, let leftover): self.handOver(id, leftover, context: context)
        case .close(let reason): self.close(reason, context: context)
        }
    }

    private func judge(_ claim: Claim, context: ChannelHandlerContext) {
        let promise = context.eventLoop.makePromise(of: Verdict.self)
        let judge = self.owner.judge
        promise.completeWithTask { await judge.judge(claim) }
        promise.futureResult.assumeIsolated().whenComplete { result in
            let verdict = (try? result.get()) ?? .denied
            if case .accepted(let name, _) = verdict { self.user = name }
            self.machine.judged(verdict)
            self.turn()
        }
    }
}

// MARK: - The end

extension SessionHandler {
    private func close(_ reason: CloseReason, context: ChannelHandlerContext) {
        context.flush()
        self.over(reason)
        if case .carrierLost = reason {
            // What was sent is not all there was: the peer must not take it for the end.
            context.channel.reset()
        } else {
            LingeringClose.start(on: context.channel)
        }
    }

    /// Every stream of the session ends with it, and so does every attempt to reach a destination for it.
    func over(_ reason: CloseReason) {
        guard !self.isOver else { return }
        self.isOver = true
        self.alarm?.callback.cancel()
        self.alarm = nil
        let legs = self.legs
        let asked = self.asked
        let dialing = self.dialing
        self.legs = [:]
        self.relays = [:]
        self.asked = [:]
        self.dialing = [:]
        for attempt in dialing.values { attempt.cancel() }
        let fault: StreamFault = reason == .shutdown ? .shutdown : .sessionLost
        for leg in legs.values { leg.events?.ended(leg, fault) }
        for answer in asked.values { answer(.failure(fault)) }
        self.residents.remove(self)
        self.owner.sessionEnded(self, reason)
    }

    /// Ends the session from outside.
    package func shutDown(_ reason: CloseReason) {
        guard let context, !self.isOver else { return }
        self.close(reason, context: context)
    }
}

// MARK: - The carrier

extension SessionHandler: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.residents.insert(self)
        self.owner.sessionBegan(self)
        if context.channel.isActive { self.begin() }
    }

    package func channelActive(context: ChannelHandlerContext) {
        self.begin()
        context.fireChannelActive()
    }

    private func begin() {
        self.machine.start(now: self.context?.eventLoop.now ?? .now())
        self.turn()
    }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isOver else { return }
        self.machine.receive(self.unwrapInboundIn(data))
        // One turn per read, not per burst: a burst may be megabytes, and its buffers can be used again.
        self.turn()
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        self.isReading = false
        guard !self.isOver else { return }
        self.readOn(context: context)
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.turn() }
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        self.carrierEnded = true
        self.machine.receiveEnd()
        self.turn()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.over(.carrierLost(TLSFailure.sentence(for: error)))
        context.close(promise: nil)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        if !self.carrierEnded {
            self.machine.receiveEnd()
            self.turn()
        }
        self.over(.carrierLost("connection closed"))
    }
}

@available(*, unavailable)
extension SessionHandler: Sendable {}

// MARK: - The legs

extension SessionHandler: SessionDriver {
    package func send(_ bytes: ByteBuffer, on stream: StreamID) { self.machine.send(bytes, on: stream) }

    package func hasRoom(on stream: StreamID) -> Bool { self.machine.hasRoom(on: stream) }

    package func finish(_ stream: StreamID) {
        self.machine.finish(stream)
        self.wake()
    }

    package func reset(_ stream: StreamID, _ fault: StreamFault?) {
        guard let leg = self.legs.removeValue(forKey: stream) else { return }
        self.relays[stream] = nil
        self.machine.reset(stream, fault)
        self.wake()
        leg.forget()
        leg.events?.ended(leg, fault)
    }

    package func consumed(_ count: Int, on stream: StreamID) {
        let wanted = self.machine.wantsBytes
        self.machine.consumed(count, on: stream)
        // A deadline in the distant past: the machine has something to say at once (credit for its peer).
        if (!wanted && self.machine.wantsBytes) || self.machine.deadline == .distantPast { self.wake() }
    }

    package func wake() {
        guard !self.turnIsDue, !self.isTurning, !self.isOver, let context else { return }
        self.turnIsDue = true
        context.eventLoop.assumeIsolated().execute { self.turn() }
    }
}
