// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// A plain connection as a leg: the last handler of its channel.
///
/// The channel must be made with `autoRead` off and remote half-closure allowed. Reads are asked for one burst at a
/// time and only while the partner is writable.
package final class SocketLeg: Leg {
    private enum Ending {
        case open
        /// Output is shut, or will be as soon as what is queued has left.
        case finished
        /// Waits for the queue, then closes both directions.
        case closing
        case gone
    }

    package var events: (any LegEvents)?
    private let channel: any Channel
    private var context: ChannelHandlerContext?
    private var ending = Ending.open
    private var isReading = true
    private var hasBegun = false
    private var inputEnded = false
    private var fault: StreamFault?
    /// Bytes written to the channel and not yet reported as sent.
    private var unsent = 0
    private var isWatching = false
    private var lingering: Scheduled<Void>?

    /// - Parameter inputEnded: the peer's end was seen before this leg was there.
    package init(_ channel: any Channel, inputEnded: Bool = false) {
        self.channel = channel
        self.inputEnded = inputEnded
    }

    /// After the last byte a peer may still be sending: its bytes are read and dropped for so long, because closing
    /// over unread bytes would reset the connection and destroy what the peer has not read yet.
    private static let lingerTime = TimeAmount.seconds(2)
}

extension SocketLeg {
    package var isWritable: Bool { self.channel.isWritable }

    package func begin() {
        self.hasBegun = true
        if let events, events.countsSent {
            SocketOptions.applyForStream(to: self.channel)
        }
        if self.ending == .gone {
            self.events?.ended(self, self.fault)
        } else if self.inputEnded {
            self.events?.finished(by: self)
        } else if self.isReading {
            self.context?.read()
        }
    }

    package func write(_ bytes: ByteBuffer) {
        guard self.ending == .open else { return }
        guard let events, events.countsSent else {
            self.context?.write(NIOAny(bytes), promise: nil)
            return
        }
        self.recount()
        // A short piece of a large read must not keep all of it in memory while this peer does not read.
        let isParked = self.unsent > 0 && bytes.readableBytes < bytes.storageCapacity / 2
        self.unsent += bytes.readableBytes
        self.context?.write(NIOAny(isParked ? bytes.compacted(with: self.channel.allocator) : bytes), promise: nil)
    }

    package func flush() {
        self.context?.flush()
        self.recount()
        self.watchQueue()
    }

    package func setReading(_ reading: Bool) {
        guard reading != self.isReading else { return }
        self.isReading = reading
        if reading && self.hasBegun { self.context?.read() }
    }

    package func finish() {
        guard self.ending == .open else { return }
        self.ending = .finished
        self.afterQueue { $0.shutOutput() }
    }

    package func end(_ fault: StreamFault?) {
        guard self.ending != .gone, self.ending != .closing || fault != nil else { return }
        if let fault {
            self.fault = fault
            self.resetNow()
        } else {
            self.ending = .closing
            self.afterQueue { $0.closeOrLinger() }
        }
    }

    private func afterQueue(_ body: @escaping (SocketLeg) -> Void) {
        guard let context else { return }
        context.flush()
        guard self.queuedBytes > 0 else { return body(self) }
        // Completes when everything before it has been written.
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in body(self) }
    }

    private func shutOutput() {
        guard self.ending != .gone else { return }
        // NIO turns this into a full close where the input has ended.
        self.context?.close(mode: .output, promise: nil)
    }

    private func closeOrLinger() {
        guard self.ending != .gone, let context else { return }
        if self.inputEnded { return context.close(mode: .all, promise: nil) }
        context.close(mode: .output, promise: nil)
        self.isReading = true
        context.read()
        self.lingering = context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingerTime) {
            self.context?.close(mode: .all, promise: nil)
        }
    }

    private func resetNow() {
        self.channel.reset()
    }

    private var queuedBytes: Int { (try? self.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }

    /// Below the low mark nobody tells that the queue has left, and a sender that waits for it would wait for ever.
    private func watchQueue() {
        guard self.unsent > 0, !self.isWatching, let context, let events, events.countsSent else { return }
        self.isWatching = true
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in
            self.isWatching = false
            self.recount()
            self.watchQueue()
        }
    }

    package func recount() {
        guard self.unsent > 0, let events, events.countsSent else { return }
        let queued = self.queuedBytes
        let sent = self.unsent - queued
        guard sent > 0 else { return }
        self.unsent = queued
        events.sent(sent, by: self)
    }
}

extension SocketLeg: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.ending != .closing else { return }
        self.events?.received(self.unwrapInboundIn(data), by: self)
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        if self.ending != .closing { self.events?.receivedBurst(by: self) }
        if self.isReading && self.hasBegun { context.read() }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.recount()
        self.events?.writabilityChanged(of: self)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        self.inputEnded = true
        if self.lingering != nil {
            context.close(mode: .all, promise: nil)
        } else if self.hasBegun, self.ending != .closing {
            self.events?.finished(by: self)
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // While it only lingers, everything has left and the peer may do as it likes.
        if self.fault == nil && self.lingering == nil { self.fault = StreamFault(reading: error) }
        context.close(mode: .all, promise: nil)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        guard self.ending != .gone else { return }
        // Bytes that never left, or an end of the carrier that the peer did not announce, are no orderly end.
        if self.ending == .open && !self.inputEnded && self.fault == nil { self.fault = .aborted }
        self.ending = .gone
        self.lingering?.cancel()
        if self.hasBegun { self.events?.ended(self, self.fault) }
    }
}

@available(*, unavailable)
extension SocketLeg: Sendable {}

extension ByteBuffer {
    /// The readable bytes in storage of just their size.
    fileprivate func compacted(with allocator: ByteBufferAllocator) -> ByteBuffer {
        var copy = allocator.buffer(capacity: self.readableBytes)
        copy.writeImmutableBuffer(self)
        return copy
    }
}
