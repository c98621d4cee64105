// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Ends a channel so that what was written last arrives: output first, then the peer's bytes are dropped until its end
/// or a short time has passed. Closing at once over unread bytes would reset the connection and destroy the farewell.
final class LingeringClose: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private static let time = TimeAmount.seconds(2)
    private var timer: Scheduled<Void>?

    static func start(on channel: any Channel) {
        guard channel.isActive else { return channel.close(promise: nil) }
        do {
            try channel.pipeline.syncOperations.addHandler(LingeringClose(), position: .first)
        } catch {
            channel.close(promise: nil)
        }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.time) { context.close(promise: nil) }
        // Through the whole pipeline: a TLS handler says its own goodbye first.
        context.channel.flush()
        context.channel.close(mode: .output, promise: nil)
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func channelReadComplete(context: ChannelHandlerContext) { context.read() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
