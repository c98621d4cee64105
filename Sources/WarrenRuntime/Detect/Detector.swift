// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// Tells by the first bytes which of several protocols a connection speaks, then makes room for that one.
package final class Detector: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer

    /// One protocol that may be spoken on the port.
    package struct Candidate {
        package var detect: (ByteBufferView) -> Detection
        /// Adds the protocol's handler after the detector.
        package var install: (any Channel) throws -> Void

        package init(
            detect: @escaping (ByteBufferView) -> Detection, install: @escaping (any Channel) throws -> Void
        ) {
            self.detect = detect
            self.install = install
        }
    }

    private let candidates: [Candidate]
    private let patience: TimeAmount
    private let onStranger: (ByteBuffer) -> Void
    private var head = ByteBuffer()
    private var timer: Scheduled<Void>?
    private var isSettled = false

    /// - Parameters:
    ///   - patience: how long the first bytes may take.
    ///   - onStranger: called before a connection that speaks none of the protocols, or nothing at all, is closed.
    package init(_ candidates: [Candidate], patience: TimeAmount, onStranger: @escaping (ByteBuffer) -> Void) {
        self.candidates = candidates
        self.patience = patience
        self.onStranger = onStranger
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: self.patience) { self.giveUp(context) }
        if context.channel.isActive { context.read() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) { self.timer?.cancel() }

    package func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        context.read()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isSettled else { return context.fireChannelRead(data) }
        self.head.take(self.unwrapInboundIn(data))
        var isOpen = false
        for candidate in self.candidates {
            switch candidate.detect(self.head.readableBytesView) {
            case .yes: return self.settle(candidate, context)
            case .no: continue
            case .needs(let count): isOpen = isOpen || count <= Detection.mostBytes
            }
        }
        if !isOpen { self.giveUp(context) }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        if self.isSettled { context.fireChannelReadComplete() } else { context.read() }
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event, !self.isSettled { return self.giveUp(context) }
        context.fireUserInboundEventTriggered(event)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        self.timer?.cancel()
        context.fireChannelInactive()
    }

    private func settle(_ candidate: Candidate, _ context: ChannelHandlerContext) {
        self.isSettled = true
        self.timer?.cancel()
        do {
            try candidate.install(context.channel)
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelRead(NIOAny(self.head))
        self.head = ByteBuffer()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func giveUp(_ context: ChannelHandlerContext) {
        guard !self.isSettled else { return }
        self.isSettled = true
        self.timer?.cancel()
        self.onStranger(self.head)
        context.close(promise: nil)
    }
}

@available(*, unavailable)
extension Detector: Sendable {}
