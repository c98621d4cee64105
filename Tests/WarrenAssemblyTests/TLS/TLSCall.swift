// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import NIOSSL

/// One HTTP request over TLS.
struct TLSCall {
    let authority: String

    /// - Returns: the answer, head and body.
    func post(_ path: String, at address: SocketAddress, on group: any EventLoopGroup) async throws -> String {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(self.authority))
        let context = try NIOSSLContext(configuration: configuration)
        let answer = group.next().makePromise(of: String.self)
        let request = "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        let channel = try await ClientBootstrap(group: answer.futureResult.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try NIOSSLClientHandler(context: context, serverHostname: "localhost")
                    try channel.pipeline.syncOperations.addHandlers([tls, Collect(answer)])
                }
            }
            .connect(to: address).get()
        try await channel.writeAndFlush(ByteBuffer(string: request))
        return try await answer.futureResult.get()
    }

    private final class Collect: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let answer: EventLoopPromise<String>
        private var text = ""

        init(_ answer: EventLoopPromise<String>) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.text += String(buffer: self.unwrapInboundIn(data))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { self.answer.fail(error) }
        func channelInactive(context: ChannelHandlerContext) { self.answer.succeed(self.text) }
    }
}
