// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOTLS

/// Keeps an accepted connection from its protocol until the TLS handshake is through: nothing is dialled, and nobody
/// judged, for a stranger without a certificate that was asked for.
final class TLSHandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let timeout: TimeAmount
    private let install: (any Channel) throws -> Void
    private let onFailure: (String) -> Void
    private var timer: Scheduled<Void>?
    private var isOpen = false

    /// - Parameters:
    ///   - timeout: how long the handshake may take.
    ///   - onFailure: told why a connection is closed.
    init(
        timeout: TimeAmount, install: @escaping (any Channel) throws -> Void, onFailure: @escaping (String) -> Void
    ) {
        self.timeout = timeout
        self.install = install
        self.onFailure = onFailure
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: self.timeout) {
            self.close(context, "the TLS handshake took too long")
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.fireChannelRead(data) }

    func channelReadComplete(context: ChannelHandlerContext) {
        if self.isOpen { context.fireChannelReadComplete() } else { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted = event, !self.isOpen else {
            return context.fireUserInboundEventTriggered(event)
        }
        self.isOpen = true
        self.timer?.cancel()
        do {
            try self.install(context.channel)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !self.isOpen else { return context.fireErrorCaught(error) }
        self.close(context, TLSFailure.sentence(for: error))
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timer?.cancel()
        context.fireChannelInactive()
    }

    private func close(_ context: ChannelHandlerContext, _ reason: String) {
        guard !self.isOpen else { return }
        self.isOpen = true
        self.timer?.cancel()
        self.onFailure(reason)
        context.close(promise: nil)
    }
}
