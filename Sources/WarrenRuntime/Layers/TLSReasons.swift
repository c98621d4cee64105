// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOSSL
import NIOTLS
import WarrenCore

/// Stands behind TLS and turns what its library reports into sentences for an operator.
///
/// It also judges what the library does not: a session that is taken up again by a ticket must not outlive the
/// certificate that it began with.
final class TLSReasons: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    enum Side {
        case server
        /// Who the peer must be: a name or an address.
        case client(expects: String)
    }

    private let side: Side
    private let now: () -> Int
    private var isRefused = false

    /// - Parameter now: seconds since 1970.
    init(_ side: Side, now: @escaping () -> Int = { Int(Date().timeIntervalSince1970) }) {
        self.side = side
        self.now = now
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event, case .server = self.side,
            let ended = self.peerCertificate(context).flatMap({ TLSProblem(validityOf: $0, at: self.now()) })
        {
            self.isRefused = true
            context.fireErrorCaught(ended)
            return context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !self.isRefused { context.fireChannelRead(data) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOSSLError.handshakeFailed(let cause):
            context.fireErrorCaught(self.problem(cause, context))
        case let cause as BoringSSLError: context.fireErrorCaught(self.problem(cause, context))
        case NIOSSLError.unableToValidateCertificate: context.fireErrorCaught(self.otherName(context))
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            context.fireErrorCaught(self.otherName(context))
        default: context.fireErrorCaught(error)
        }
    }

    private func peerCertificate(_ context: ChannelHandlerContext) -> NIOSSLCertificate? {
        let pipeline = context.pipeline.syncOperations
        switch self.side {
        case .server: return try? pipeline.handler(type: NIOSSLServerHandler.self).peerCertificate
        case .client: return try? pipeline.handler(type: NIOSSLClientHandler.self).peerCertificate
        }
    }

    private func problem(_ cause: BoringSSLError, _ context: ChannelHandlerContext) -> TLSProblem {
        let text = "\(cause)"
        guard text.contains("CERTIFICATE_VERIFY_FAILED") else { return TLSProblem(libraryText: text, self.side) }
        guard let certificate = self.peerCertificate(context) else { return .notTrusted }
        return TLSProblem(validityOf: certificate, at: self.now()) ?? .notTrusted
    }

    private func otherName(_ context: ChannelHandlerContext) -> TLSProblem {
        guard case .client(let expected) = self.side else { return .notTrusted }
        return TLSProblem(expected: expected, certificate: self.peerCertificate(context))
    }
}

@available(*, unavailable)
extension TLSReasons: Sendable {}
