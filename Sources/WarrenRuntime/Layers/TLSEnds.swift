// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import NIOTLS

/// How the ends of a TLS connection say that they have no more bytes.
package enum TLSEnds: Hashable, Sendable {
    /// Both announce it by close_notify: an end of the transport without it is a reset.
    case announced
    /// We announce ours, and the peer need not.
    case taken
    /// Nobody announces anything: the end of the transport is all. vproxy's programs never send close_notify, and give the
    /// connection up with all that waits in it where they get one.
    case bare
    /// ``bare`` in TLS 1.2, ``announced`` in 1.3, which such peers do not speak.
    case bareBefore13
}

/// Stands right behind TLS and has both ends say it as ``TLSEnds`` has it.
final class TLSEndHandler: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private let ends: TLSEnds
    /// The handshake is through; before it a close is TLS's own affair.
    private var isUp = false

    init(_ ends: TLSEnds) { self.ends = ends }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event { self.isUp = true }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The end of the transport follows, and it is all that such a peer ever says.
        if case NIOSSLError.uncleanShutdown = error, self.ends == .taken || self.isBare(context) { return }
        context.fireErrorCaught(error)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        let pipeline = context.pipeline.syncOperations
        guard self.isUp, self.isBare(context), let tls = try? pipeline.context(handlerType: NIOSSLHandler.self) else {
            return context.close(mode: mode, promise: promise)
        }
        context.flush()
        // Past TLS, which would announce it.
        tls.close(mode: mode, promise: promise)
    }

    private func isBare(_ context: ChannelHandlerContext) -> Bool {
        switch self.ends {
        case .announced, .taken: false
        case .bare: true
        case .bareBefore13: (try? context.pipeline.syncOperations.nioSSL_tlsVersion()).flatMap { $0 } != .tlsv13
        }
    }
}

@available(*, unavailable)
extension TLSEndHandler: Sendable {}
