// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOSSL
package import WarrenCore

/// The near end of a pipeline of handlers (TLS, WebSocket) as a leg: the last handler of a ``LegChannel``.
package final class ChannelLeg: Leg {
    package var events: (any LegEvents)?
    package let peer: SocketAddress?
    let channel: LegChannel
    private var context: ChannelHandlerContext?
    private var isReading = true
    /// Put back by somebody who read too far.
    private var early: ByteBuffer?
    private var hasBegun = false
    private var inputEnded = false
    private var outputEnded = false
    /// An orderly end was asked for: nobody minds how the peer ends.
    private var isEnding = false
    private var isGone = false
    private var fault: StreamFault?

    init(_ channel: LegChannel) {
        self.channel = channel
        self.peer = channel.peer
    }

    /// Makes the leg behind the handlers that are on the channel.
    static func last(of channel: any Channel) throws -> ChannelLeg {
        guard let channel = channel as? LegChannel else { throw ChannelError.operationUnsupported }
        let leg = ChannelLeg(channel)
        try channel.pipeline.syncOperations.addHandler(leg)
        return leg
    }
}

extension ChannelLeg {
    package var isWritable: Bool { self.channel.isWritable }
    package var waiting: Int { self.channel.waiting }

    package func begin() {
        self.hasBegun = true
        if let early {
            self.early = nil
            self.events?.received(early, by: self)
            self.events?.receivedBurst(by: self)
        }
        if self.isGone {
            self.events?.ended(self, self.fault)
        } else if self.inputEnded {
            self.events?.finished(by: self)
        } else if self.isReading {
            self.context?.read()
        }
    }

    package func unread(_ bytes: ByteBuffer) { if bytes.readableBytes > 0 { self.early = bytes } }

    package func write(_ bytes: ByteBuffer) {
        guard !self.outputEnded, let context else { return }
        guard let events, events.needs.contains(.counts) else { return context.write(NIOAny(bytes), promise: nil) }
        let count = bytes.readableBytes
        let written = context.eventLoop.makePromise(of: Void.self)
        // Completes when the last byte that they became has left.
        written.futureResult.assumeIsolated().whenSuccess { self.events?.sent(count, by: self) }
        context.write(NIOAny(bytes), promise: written)
    }

    package func flush() { self.context?.flush() }

    package func comesIntoUse() { self.channel.comesIntoUse() }

    package func setReading(_ reading: Bool) {
        guard reading != self.isReading else { return }
        self.isReading = reading
        if reading && self.hasBegun { self.context?.read() }
    }

    package func finish() {
        guard !self.outputEnded, let context else { return }
        self.outputEnded = true
        context.flush()
        context.close(mode: .output, promise: nil)
    }

    package func end(_ fault: StreamFault?) {
        guard !self.isGone, let context else { return }
        if let fault {
            self.fault = fault
            context.flush()  // what came just before
            return self.channel.reset()
        }
        guard !self.outputEnded || self.inputEnded else { return }
        self.outputEnded = true
        self.isEnding = true
        // Through the pipeline, so that the queues of its handlers leave first; the leg below lingers.
        context.flush()
        context.close(mode: .all, promise: nil)
        // Where the transport has ended already, no farewell can come that TLS would wait for.
        if self.channel.inputEnded { self.channel.endLeg() }
    }
}

extension ChannelLeg: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.events?.received(self.unwrapInboundIn(data), by: self)
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        self.events?.receivedBurst(by: self)
        if self.isReading && self.hasBegun { context.read() }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.events?.writabilityChanged(of: self)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        guard self.fault == nil, !self.isGone else { return }
        self.inputEnded = true
        if self.hasBegun { self.events?.finished(by: self) }
        // NIOSSL has sent its farewell, and where halves may be closed it would wait on although the peer's has come.
        if self.isEnding { self.channel.endLeg() }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !self.isEnding else { return self.channel.endLeg() }
        if case NIOSSLError.uncleanShutdown = error { return self.truncated(by: error) }
        if self.fault == nil { self.fault = StreamFault(reading: error) }
        self.events?.failed(by: error)
        context.close(promise: nil)
    }

    /// An end that nobody signed may be anybody's, and what came may be a part only (RFC 8446 6.1).
    private func truncated(by error: any Error) {
        guard !self.isGone else { return }
        if self.fault == nil { self.fault = .aborted }
        self.events?.failed(by: error)
        self.channel.reset()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        guard !self.isGone else { return }
        // An end that the peer did not announce is no orderly end.
        if !self.outputEnded && !self.inputEnded && self.fault == nil { self.fault = .aborted }
        self.isGone = true
        if self.hasBegun { self.events?.ended(self, self.fault) }
    }
}

@available(*, unavailable)
extension ChannelLeg: Sendable {}
