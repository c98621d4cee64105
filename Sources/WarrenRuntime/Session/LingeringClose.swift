// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Ends a channel so that what was written last arrives: the queue first, then the end of the output, then the peer's
/// bytes are dropped until its end or a short time has passed. Closing at once over unread bytes would reset the
/// connection and destroy the farewell.
final class LingeringClose: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// For a peer that takes its time to read what is queued.
    private static let writingTime = TimeAmount.seconds(60)
    /// For a peer that goes on sending.
    private static let lingeringTime = TimeAmount.seconds(2)

    private var timer: Scheduled<Void>?
    private var isWritten = false
    private var inputEnded = false

    static func start(on channel: any Channel) {
        guard channel.isActive else { return channel.close(promise: nil) }
        do {
            try channel.pipeline.syncOperations.addHandler(LingeringClose(), position: .first)
        } catch {
            channel.close(promise: nil)
        }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.setTimer(Self.writingTime, context)
        // Through the whole pipeline, so that a TLS handler's own queue counts.
        let written = context.eventLoop.makePromise(of: Void.self)
        context.channel.writeAndFlush(ByteBuffer(), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in self.written(context) }
        context.read()
    }

    private func written(_ context: ChannelHandlerContext) {
        self.isWritten = true
        guard !self.inputEnded else { return context.close(promise: nil) }
        self.setTimer(Self.lingeringTime, context)
        // Where the peer has ended before this handler was there, this closes at once.
        context.channel.close(mode: .output, promise: nil)
    }

    private func setTimer(_ time: TimeAmount, _ context: ChannelHandlerContext) {
        self.timer?.cancel()
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: time) { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func channelReadComplete(context: ChannelHandlerContext) { context.read() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return }
        self.inputEnded = true
        if self.isWritten { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
