// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore
import WarrenCore
import WarrenLoop

/// A NIO channel whose transport is a leg: for carriers with handlers on the way (TLS, WebSocket).
///
/// ```
/// leg ⇄ LegChannel ⇄ handlers ⇄ ChannelLeg
/// ```
///
/// Reads are asked for one burst at a time. A write's promise is kept when its bytes have left the process. What the leg
/// tells while a handler asks something of it waits until that is done: handlers such as TLS change their state around
/// such a call, and whoever hears of sent bytes may end the channel.
final class LegChannel: Channel, @unchecked Sendable {
    // Sendable: the loop, addresses and the close future are constants; all else is touched on the loop only.
    private let loop: SocketLoop
    var eventLoop: any EventLoop { self.loop }
    let allocator = ByteBufferAllocator()
    let localAddress: SocketAddress? = nil
    let remoteAddress: SocketAddress?
    let parent: (any Channel)? = nil
    private let leg: any Leg
    private let closing: EventLoopPromise<Void>
    // Made right after the channel, which it refers to.
    private var line: ChannelPipeline?

    private(set) var isActive = false
    private var isOpen = true
    private var wantsRead = false
    /// Since the burst before.
    private var hasReceived = false
    /// The transport has ended.
    private(set) var inputEnded = false
    private var outputEnded = false
    /// More than a fault tells of the transport's end.
    private var whyFailed: (any Error)?
    private var written = 0
    private var left = 0
    private var promises = Deque<(mark: Int, promise: EventLoopPromise<Void>)>()
    /// A handler asks something of the leg right now.
    private var isAsking = false
    /// What the leg has told meanwhile.
    private var told = Deque<() -> Void>()

    /// - Parameter server: whose certificate is expected, where that is not who the leg leads to: behind a proxy or a tunnel.
    init(_ leg: any Leg, on loop: SocketLoop, to server: SocketAddress? = nil) {
        self.leg = leg
        self.loop = loop
        self.remoteAddress = server ?? leg.peer
        self.closing = loop.makePromise()
        self.line = ChannelPipeline(channel: self)
    }

    var pipeline: ChannelPipeline {
        guard let line else { preconditionFailure("used before it was made") }
        return line
    }
    var closeFuture: EventLoopFuture<Void> { self.closing.futureResult }
    var _channelCore: any ChannelCore { self }
    var isWritable: Bool { self.isOpen && self.leg.isWritable }
    var waiting: Int { self.leg.waiting }
    var peer: SocketAddress? { self.leg.peer }

    /// Puts the handlers on the channel and starts it.
    func start(_ handlers: [any ChannelHandler]) throws {
        self.leg.events = self
        let pipeline = self.pipeline.syncOperations
        try pipeline.addHandlers(handlers)
        self.leg.setReading(false)
        pipeline.fireChannelRegistered()
        self.isActive = true
        pipeline.fireChannelActive()
        self.leg.begin()
        guard self.isOpen else { throw ChannelError.ioOnClosedChannel }
    }

    /// Drops what is queued and resets the leg.
    func reset() { if self.isOpen { self.ask { $0.end(.aborted) } } }

    func comesIntoUse() { self.leg.comesIntoUse() }

    /// Ends the leg when what was written has left, whatever the handlers wait for.
    func endLeg() { if self.isOpen { self.ask { $0.end(nil) } } }
}

// MARK: - What handlers ask for

extension LegChannel: ChannelCore {
    func localAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }

    func remoteAddress0() throws -> SocketAddress {
        guard let remoteAddress else { throw ChannelError.operationUnsupported }
        return remoteAddress
    }

    func register0(promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }

    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.isOpen else { return promise.fail(with: ChannelError.ioOnClosedChannel) }
        guard !self.outputEnded else { return promise.fail(with: ChannelError.outputClosed) }
        let bytes = self.unwrapData(data, as: ByteBuffer.self)
        self.written += bytes.readableBytes
        self.ask { $0.write(bytes) }
        guard let promise else { return }
        if self.left == self.written { promise.succeed() } else { self.promises.append((self.written, promise)) }
    }

    func flush0() { self.ask { $0.flush() } }

    func read0() {
        guard self.isOpen, !self.inputEnded else { return }
        self.wantsRead = true
        self.ask { $0.setReading(true) }
    }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard self.isOpen else { return promise.fail(with: ChannelError.alreadyClosed) }
        switch mode {
        case .output where !self.inputEnded:
            self.outputEnded = true
            self.ask { $0.finish() }
            promise?.succeed()
        case .input:
            promise?.fail(ChannelError.operationUnsupported)
        case .output, .all:
            self.outputEnded = true
            if let promise { self.closing.futureResult.cascade(to: promise) }
            self.ask { $0.end(nil) }
        }
    }

    func channelRead0(_ data: NIOAny) {}

    func errorCaught0(error: any Error) {}
}

extension LegChannel {
    private func ask(_ body: (any Leg) -> Void) {
        let isInner = self.isAsking
        self.isAsking = true
        body(self.leg)
        self.isAsking = isInner
    }

    /// Whether an event must wait; those that have waited come before one that need not.
    private func mustWait() -> Bool {
        if !self.isAsking { self.catchUp() }
        return self.isAsking
    }

    private func later(_ event: @escaping () -> Void) {
        if self.told.isEmpty { self.loop.defer { self.catchUp() } }
        self.told.append(event)
    }

    private func catchUp() {
        while !self.isAsking, let event = self.told.popFirst() { event() }
    }
}

extension EventLoopPromise<Void>? {
    fileprivate func fail(with error: ChannelError) { self?.fail(error) }
}

// MARK: - What the leg tells

extension LegChannel: LegEvents {
    var needs: LegNeeds { [.ownBytes, .counts, .pauses] }

    func received(_ bytes: ByteBuffer, by leg: any Leg) {
        if self.mustWait() { return self.later { self.received(bytes, by: leg) } }
        leg.consumed(bytes.readableBytes)
        self.hasReceived = true
        self.pipeline.syncOperations.fireChannelRead(NIOAny(bytes))
    }

    func receivedBurst(by leg: any Leg) {
        if self.mustWait() { return self.later { self.receivedBurst(by: leg) } }
        // A leg that holds its bytes tells of bursts all the same, and TLS would ask for more at each of them.
        guard self.hasReceived else { return }
        (self.hasReceived, self.wantsRead) = (false, false)
        self.pipeline.syncOperations.fireChannelReadComplete()
        if !self.wantsRead { self.leg.setReading(false) }
    }

    func finished(by leg: any Leg) {
        if self.mustWait() { return self.later { self.finished(by: leg) } }
        self.inputEnded = true
        self.endBurst()
        self.pipeline.syncOperations.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        if self.isOpen && self.outputEnded { self.leg.end(nil) }
    }

    /// TLS passes on what it has read when a burst is over, and streams of a session tell of their end before that.
    private func endBurst() {
        guard self.hasReceived else { return }
        self.hasReceived = false
        self.pipeline.syncOperations.fireChannelReadComplete()
    }

    func sent(_ count: Int, by leg: any Leg) {
        if self.mustWait() { return self.later { self.sent(count, by: leg) } }
        self.left += count
        while let (mark, promise) = self.promises.first, mark <= self.left {
            _ = self.promises.popFirst()
            promise.succeed()
        }
    }

    func writabilityChanged(of leg: any Leg) {
        if self.mustWait() { return self.later { self.writabilityChanged(of: leg) } }
        self.pipeline.syncOperations.fireChannelWritabilityChanged()
    }

    func failed(by error: any Error) {
        if self.mustWait() { return self.later { self.failed(by: error) } }
        self.whyFailed = error
    }

    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        if self.mustWait() { return self.later { self.ended(leg, fault) } }
        guard self.isOpen else { return }
        self.isOpen = false
        self.leg.events = nil
        let wasActive = self.isActive
        self.isActive = false
        if wasActive { self.endBurst() }
        let waiting = self.promises
        self.promises = []
        for entry in waiting { entry.promise.fail(ChannelError.ioOnClosedChannel) }
        let pipeline = self.pipeline.syncOperations
        if let fault, wasActive { pipeline.fireErrorCaught(self.whyFailed ?? fault) }
        if wasActive { pipeline.fireChannelInactive() }
        pipeline.fireChannelUnregistered()
        self.closing.succeed()
        // After the events of this turn, which may still be on their way through the handlers.
        self.eventLoop.assumeIsolated().execute { self.removeHandlers(pipeline: self.pipeline) }
    }
}

// MARK: - Options

extension LegChannel {
    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        self.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        self.eventLoop.makeCompletedFuture { try self.option(option) }
    }

    /// What handlers that come with NIO ask for.
    private func option<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        let value: Any? =
            switch option {
            case is ChannelOptions.Types.AutoReadOption: false
            case is ChannelOptions.Types.AllowRemoteHalfClosureOption: true
            case is ChannelOptions.Types.BufferedWritableBytesOption: self.written - self.left
            default: nil
            }
        guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
        return value
    }

    var syncOptions: (any NIOSynchronousChannelOptions)? { SynchronousOptions(channel: self) }

    private struct SynchronousOptions: NIOSynchronousChannelOptions {
        let channel: LegChannel

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
            throw ChannelError.operationUnsupported
        }

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
            try self.channel.option(option)
        }
    }
}
