// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOFoundationCompat
import NIOPosix
import ServiceLifecycle

/// Answers requests on a socket that only the user of the process may open.
final class AdminServer: Service {
    private static let longestRequest = 64 << 10
    private static let timeout = TimeAmount.seconds(10)

    private let path: String
    private let file: UnixSocket.File?
    private let channel: any Channel

    private init(_ path: String, _ channel: any Channel) {
        self.path = path
        self.file = UnixSocket.File(path)
        self.channel = channel
    }

    /// Binds the socket. One that a program left behind which is gone is taken over; one on which somebody answers is not.
    ///
    /// - Throws: a sentence.
    static func start(at path: String, _ desk: AdminDesk) async throws -> AdminServer {
        let descriptor = try UnixSocket.listen(at: path)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AdminHandler(desk, most: Self.longestRequest, timeout: Self.timeout))
                }
            }
            .withBoundSocket(descriptor).get()
        return AdminServer(path, channel)
    }

    func run() async throws {
        try? await gracefulShutdown()
        try? await self.channel.close()
        // Somebody else's socket may be there by now.
        if let file, UnixSocket.File(self.path) == file { unlink(self.path) }
    }
}

/// Reads one line, answers it, and ends the connection.
private final class AdminHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let desk: AdminDesk
    private let most: Int
    private let timeout: TimeAmount
    private var line = ByteBuffer()
    private var isAsked = false
    private var timeUp: Scheduled<Void>?

    init(_ desk: AdminDesk, most: Int, timeout: TimeAmount) {
        self.desk = desk
        self.most = most
        self.timeout = timeout
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        self.timeUp = context.eventLoop.scheduleTask(in: self.timeout) { channel.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { self.timeUp?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isAsked else { return }
        var bytes = self.unwrapInboundIn(data)
        self.line.writeBuffer(&bytes)
        guard let end = self.line.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            if self.line.readableBytes > self.most { context.close(promise: nil) }
            return
        }
        self.isAsked = true
        self.timeUp?.cancel()
        self.answer(Data(self.line.readableBytesView[..<end]), context.channel)
    }

    private func answer(_ line: Data, _ channel: any Channel) {
        let desk = self.desk
        let promise = channel.eventLoop.makePromise(of: ByteBuffer.self)
        promise.completeWithTask {
            let response: AdminResponse
            if let request = try? JSONDecoder().decode(AdminRequest.self, from: line) {
                response = await desk.answer(request)
            } else {
                response = AdminResponse(problems: ["the process does not know this request"])
            }
            return ByteBuffer(data: try JSONEncoder.admin.encode(response) + Data("\n".utf8))
        }
        promise.futureResult.whenComplete { result in
            guard case .success(let bytes) = result else { return channel.close(promise: nil) }
            channel.writeAndFlush(bytes).whenComplete { _ in channel.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
