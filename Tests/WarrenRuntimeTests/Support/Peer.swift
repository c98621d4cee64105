// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// The test's end of a TCP connection: says what it is told, keeps what it gets, and knows how it ended.
struct Peer: Sendable {
    /// How the other side ended.
    enum End: Hashable, Sendable {
        case finished
        case reset
    }

    let channel: any Channel
    fileprivate let handler: NIOLoopBound<PeerHandler>

    /// - Parameter reads: false leaves everything in the kernel until ``startReading()``.
    static func connect(to address: SocketAddress, reads: Bool = true) async throws -> Peer {
        let group = MultiThreadedEventLoopGroup.singleton
        // Kept here: a connection that ends at once has no handlers any more.
        let handler = Mutex<NIOLoopBound<PeerHandler>?>(nil)
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.autoRead, value: reads)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let made = PeerHandler(channel.eventLoop)
                    handler.withLock { $0 = NIOLoopBound(made, eventLoop: channel.eventLoop) }
                    try channel.pipeline.syncOperations.addHandler(made)
                }
            }
            .connect(to: address).get()
        guard let handler = handler.withLock({ $0 }) else { throw ChannelError.ioOnClosedChannel }
        return Peer(channel: channel, handler: handler)
    }

    /// A connection whose initializer has put a ``PeerHandler`` on it.
    fileprivate static func on(_ channel: any Channel) async throws -> Peer {
        let handler = try await channel.eventLoop.submit {
            NIOLoopBound(
                try channel.pipeline.syncOperations.handler(type: PeerHandler.self), eventLoop: channel.eventLoop)
        }.get()
        return Peer(channel: channel, handler: handler)
    }

    func send(_ bytes: ByteBuffer) async throws { try await self.channel.writeAndFlush(bytes) }
    func send(_ text: String) async throws { try await self.send(ByteBuffer(string: text)) }
    /// Starts to send without waiting for the kernel to take it.
    func startSending(_ bytes: ByteBuffer) -> EventLoopFuture<Void> { self.channel.writeAndFlush(bytes) }
    func finish() async throws { try await self.channel.close(mode: .output) }
    func close() { self.channel.close(promise: nil) }

    /// Closes so that the other side sees an error.
    func reset() {
        let channel = self.channel
        channel.eventLoop.execute { channel.reset() }
    }

    func startReading() async throws { try await self.channel.setOption(.autoRead, value: true).get() }

    /// Everything that comes until the other side ends.
    func everything() async throws -> (bytes: ByteBuffer, end: End) {
        let handler = self.handler
        let end = try await self.channel.eventLoop.flatSubmit { handler.value.end.futureResult }.get()
        return (try await self.received(), end)
    }

    /// What has come, as soon as it is so many bytes.
    func received(atLeast count: Int = 0) async throws -> ByteBuffer {
        let handler = self.handler
        return try await self.channel.eventLoop.flatSubmit { handler.value.received(count) }.get()
    }
}

/// A listening socket of the test.
struct TestServer: Sendable {
    let channel: any Channel
    let address: SocketAddress
    private let accepted: Accepted

    var port: UInt16 { UInt16(self.address.port ?? 0) }

    /// - Parameter backlog: connections that wait unaccepted; with `accepts` false they stay so.
    static func start(
        host: String = "127.0.0.1", port: UInt16 = 0, accepts: Bool = true, backlog: Int32 = 128
    ) async throws -> TestServer {
        let accepted = Accepted()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.autoRead, value: accepts)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PeerHandler(channel.eventLoop))
                    accepted.yield(channel)
                }
            }
            .bind(host: host, port: Int(port)).get()
        guard let address = channel.localAddress else { throw ChannelError.unknownLocalAddress }
        return TestServer(channel: channel, address: address, accepted: accepted)
    }

    /// The next connection, in the order they came.
    func next() async throws -> Peer {
        guard let channel = await self.accepted.next() else { throw ChannelError.inputClosed }
        return try await Peer.on(channel)
    }

    func stop() async throws { try await self.channel.close() }
}

/// Connections that were accepted and not asked for yet.
private final class Accepted: Sendable {
    private let stream: AsyncStream<any Channel>
    private let continuation: AsyncStream<any Channel>.Continuation

    init() { (self.stream, self.continuation) = AsyncStream.makeStream() }

    func yield(_ channel: any Channel) { self.continuation.yield(channel) }

    func next() async -> (any Channel)? {
        var iterator = self.stream.makeAsyncIterator()
        return await iterator.next()
    }
}

final class PeerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let end: EventLoopPromise<Peer.End>
    private let loop: any EventLoop
    private var bytes = ByteBuffer()
    private var waiting: [(count: Int, promise: EventLoopPromise<ByteBuffer>)] = []
    private var hasEnded = false

    init(_ loop: any EventLoop) {
        self.loop = loop
        self.end = loop.makePromise()
    }

    func received(_ count: Int) -> EventLoopFuture<ByteBuffer> {
        if self.bytes.readableBytes >= count { return self.loop.makeSucceededFuture(self.bytes) }
        let promise = self.loop.makePromise(of: ByteBuffer.self)
        if self.hasEnded { promise.fail(ChannelError.eof) } else { self.waiting.append((count, promise)) }
        return promise.futureResult
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.bytes.writeImmutableBuffer(self.unwrapInboundIn(data))
        let count = self.bytes.readableBytes
        for entry in self.waiting where entry.count <= count { entry.promise.succeed(self.bytes) }
        self.waiting.removeAll { $0.count <= count }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { self.ended(.finished) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.ended(.reset)
        context.close(promise: nil)
    }

    /// Where we had ended first, an orderly end of the other side closes the connection without a further event.
    func channelInactive(context: ChannelHandlerContext) { self.ended(.finished) }

    func handlerRemoved(context: ChannelHandlerContext) { self.ended(.finished) }

    private func ended(_ end: Peer.End) {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        self.end.succeed(end)
        for entry in self.waiting { entry.promise.fail(ChannelError.eof) }
        self.waiting = []
    }
}

@available(*, unavailable)
extension PeerHandler: Sendable {}
