// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import WarrenCore
import WarrenLoop

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

    func peerCloses(_ reason: ByteBuffer, _ context: ChannelHandlerContext) {
        do throws(WebSocketFailure) {
            switch try WebSocketFarewell(reason) {
            case .orderly: self.peerClosed(context)
            case .gaveUp:
                // Whoever gives up has not said all there was.
                self.peerHasClosed = true
                self.sendClose(.normalClosure, context)
                self.raise(StreamFault.aborted, context)
            }
        } catch {
            self.fail(error, context)
        }
    }

    private func peerClosed(_ context: ChannelHandlerContext) {
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
        guard self.peerHasClosed || self.isClosing else {
            return self.cut(StreamFault.aborted, context)
        }
        self.sendClose(.normalClosure, context)
        self.closeTransport(context)
        // NIOSSL would wait on although the peer's farewell has come.
        if !self.isGone { (context.channel as? LegChannel)?.endLeg() }
    }

    /// What the peer was told so far is not all there was either: it gets no Close frame, which would say so. Nor is its
    /// farewell waited for.
    private func cut(_ error: any Error, _ context: ChannelHandlerContext) {
        self.hasClosed = true
        self.raise(error, context)
        if !self.isGone { (context.channel as? LegChannel)?.reset() }
    }

    func fail(_ failure: WebSocketFailure, _ context: ChannelHandlerContext) {
        guard !self.isClosing, !self.isGone else { return }
        self.sendClose(failure.code, context)
        self.raise(failure, context)
    }

    private func raise(_ error: any Error, _ context: ChannelHandlerContext) {
        guard !self.isGone else { return }
        self.isDropping = true
        self.pingTimer?.cancel()
        context.fireErrorCaught(error)
        self.closeTransport(context)
    }
}

// MARK: - Keep-alive

extension WebSocketBytes {
    /// When the peer has been silent for too long. Only while somebody reads, and while it may still answer: one that takes
    /// what we send is not silent, and a ping behind that would come late.
    private var silentAt: NIODeadline? {
        guard !self.peerHasClosed, let waitingSince else { return nil }
        let since = self.mustAnswer ? waitingSince : max(waitingSince, self.lastPayload)
        return since + self.keepAlive + WebSocket.pongTime
    }

    /// Whether the peer answers pings also while it is written to: there is little before them.
    private var mustAnswer: Bool { self.carriesSession && self.unheard < WebSocket.mostUnheard }

    /// When the next ping is due: nothing was sent for a while, or nothing came although the peer must answer.
    private var pingAt: NIODeadline {
        let quiet = self.lastSent + self.keepAlive
        guard self.mustAnswer, let waitingSince else { return quiet }
        return min(quiet, max(waitingSince, self.lastPing) + self.keepAlive)
    }

    func armPing(_ context: ChannelHandlerContext) {
        guard !self.hasClosed, !self.isClosing, !self.isGone else { return }
        // What comes to be waited for meanwhile is due no sooner than this.
        let next = min(self.pingAt, self.loop.now + self.keepAlive)
        self.pingTimer = self.loop.timer(at: min(next, self.silentAt ?? next)) { self.ping(context) }
    }

    private func ping(_ context: ChannelHandlerContext) {
        let now = self.loop.now
        if let silentAt, silentAt <= now {
            return self.cut(WebSocketFailure("no answer to pings"), context)
        }
        if self.pingAt <= now {
            self.lastSent = now
            self.lastPing = now
            // Where there is no room, bytes wait that do as well.
            if context.channel.isWritable {
                self.send(.ping, ByteBuffer(), context, promise: nil)
                context.flush()
            }
        }
        self.armPing(context)
    }
}
