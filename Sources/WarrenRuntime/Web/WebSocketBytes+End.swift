// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import WarrenCore

// How a WebSocket connection ends, and how it is kept from ending.
extension WebSocketBytes {
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .input:
            promise?.fail(ChannelError.operationUnsupported)
        case .output:
            self.sendClose(.normalClosure, context)
            promise?.succeed()
            if self.peerHasClosed { self.finish(context) }
        case .all:
            self.isDropping = true
            if let promise { context.channel.closeFuture.cascade(to: promise) }
            self.sendClose(.normalClosure, context)
            // Without the peer's Close nothing is waited for: the leg below reads and drops for a while.
            if self.peerHasClosed { self.finish(context) } else { self.closeTransport(context) }
        }
    }

    private func sendClose(_ code: WebSocketErrorCode, _ context: ChannelHandlerContext) {
        guard !self.hasClosed, !self.isGone else { return }
        var bytes = context.channel.allocator.buffer(capacity: 2)
        bytes.write(webSocketErrorCode: code)
        self.send(.connectionClose, bytes, context, promise: nil)
        self.hasClosed = true
        self.pingTimer?.cancel()
        context.flush()
    }

    func peerClosed(_ context: ChannelHandlerContext) {
        self.peerHasClosed = true
        if !self.isDropping { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        if self.hasClosed { self.finish(context) }
    }

    /// Both have said Close.
    private func finish(_ context: ChannelHandlerContext) {
        guard !self.isClosing, !self.isGone, self.closingTimer == nil else { return }
        switch self.role {
        case .server:
            self.closeTransport(context)
        case .client:
            self.closingTimer = self.loop.timer(in: WebSocket.closingTime) { self.closeTransport(context) }
            self.readOn(context)
        }
    }

    private func closeTransport(_ context: ChannelHandlerContext) {
        guard !self.isClosing, !self.isGone else { return }
        self.isClosing = true
        self.closingTimer?.cancel()
        self.pingTimer?.cancel()
        context.close(mode: .all, promise: nil)
        // The handlers below may wait for a farewell.
        self.readOn(context)
    }

    /// The peer has ended the connection itself.
    func transportEnded(_ context: ChannelHandlerContext) {
        guard !self.isGone else { return }
        guard self.peerHasClosed || self.isClosing else { return self.raise(StreamFault.aborted, context) }
        self.sendClose(.normalClosure, context)
        self.closeTransport(context)
        // NIOSSL would wait on although the peer's farewell has come.
        if !self.isGone { (context.channel as? LegChannel)?.endLeg() }
    }

    func fail(_ failure: WebSocketFailure, _ context: ChannelHandlerContext) {
        guard !self.isClosing, !self.isGone else { return }
        self.sendClose(failure.code, context)
        self.raise(failure, context)
    }

    private func raise(_ error: any Error, _ context: ChannelHandlerContext) {
        guard !self.isGone else { return }
        self.isDropping = true
        context.fireErrorCaught(error)
        self.closeTransport(context)
    }
}

// MARK: - Keep-alive

extension WebSocketBytes {
    /// When the peer has been silent for too long. Only while somebody reads, and while it may still answer.
    private var silentAt: NIODeadline? {
        guard !self.peerHasClosed else { return nil }
        return self.waitingSince.map { $0 + self.keepAlive * 2 + .seconds(15) }
    }

    func armPing(_ context: ChannelHandlerContext) {
        guard !self.hasClosed, !self.isClosing, !self.isGone else { return }
        let next = self.lastSent + self.keepAlive
        self.pingTimer = self.loop.timer(at: min(next, self.silentAt ?? next)) { self.ping(context) }
    }

    private func ping(_ context: ChannelHandlerContext) {
        let now = self.loop.now
        if let silentAt, silentAt <= now {
            return self.fail(WebSocketFailure("no answer to pings", .goingAway), context)
        }
        if self.lastSent + self.keepAlive <= now {
            self.lastSent = now
            // Where there is no room, bytes wait that do as well.
            if context.channel.isWritable {
                self.send(.ping, ByteBuffer(), context, promise: nil)
                context.flush()
            }
        }
        self.armPing(context)
    }
}
