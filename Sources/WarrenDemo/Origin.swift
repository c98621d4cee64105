// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix

/// A web server on loopback that answers `GET /N` with N bytes of ``Pattern``.
enum Origin {
    static func start(on group: any EventLoopGroup) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(OriginHandler())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }
}

private final class OriginHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private var size = 0
    private var sent = 0
    private var isAnswering = false
    private var isSending = false
    private var keepsAlive = true

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.size = Int(head.uri.dropFirst()) ?? -1
            self.keepsAlive = head.isKeepAlive
        case .body: break
        case .end: self.answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        let status: HTTPResponseStatus = self.size < 0 ? .notFound : .ok
        self.sent = 0
        self.isAnswering = true
        let headers = HTTPHeaders([("Content-Length", "\(max(self.size, 0))")])
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        self.sendMore(context)
    }

    private func sendMore(_ context: ChannelHandlerContext) {
        // A flush may tell at once that there is room again: the loop sees that, a second one would mix the pieces.
        guard self.isAnswering, !self.isSending else { return }
        self.isSending = true
        while self.sent < self.size, context.channel.isWritable {
            let piece = Pattern.piece(at: self.sent, count: min(self.size - self.sent, 256 << 10))
            self.sent += piece.readableBytes
            context.writeAndFlush(self.wrapOutboundOut(.body(.byteBuffer(piece))), promise: nil)
        }
        self.isSending = false
        guard self.sent >= self.size else { return }
        self.isAnswering = false
        let done = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: done)
        guard !self.keepsAlive else { return }
        done.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { self.sendMore(context) }
}
