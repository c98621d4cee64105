// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One end of a TCP connection of the test.
struct Wire: Sendable {
    let channel: any Channel
    private let handler: NIOLoopBound<WireHandler>

    /// How the other side ended.
    enum End: Hashable, Sendable {
        case finished
        case reset
    }

    static func connect(to address: SocketAddress) async throws -> Wire {
        // Kept here: a connection that ends at once has no handlers any more.
        let handler = NIOLockedValueBox<NIOLoopBound<WireHandler>?>(nil)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let made = WireHandler(channel.eventLoop)
                    handler.withLockedValue { $0 = NIOLoopBound(made, eventLoop: channel.eventLoop) }
                    try channel.pipeline.syncOperations.addHandler(made)
                }
            }
            .connect(to: address).get()
        guard let handler = handler.withLockedValue({ $0 }) else {
            throw HarnessError(description: "the connection was not set up")
        }
        return Wire(channel: channel, handler: handler)
    }

    /// Through a SOCKS5 inbound to a port of 127.0.0.1.
    static func socks5(_ front: SocketAddress, to port: Int) async throws -> Wire {
        let wire = try await Self.connect(to: front)
        try await wire.send(ByteBuffer(bytes: [5, 1, 0]))
        guard try await wire.read(2) == ByteBuffer(bytes: [5, 0]) else {
            throw HarnessError(description: "the inbound wants a login")
        }
        var request = ByteBuffer(bytes: [5, 1, 0, 1, 127, 0, 0, 1])
        request.writeInteger(UInt16(port))
        try await wire.send(request)
        let answer = try await wire.read(10)
        guard answer.getInteger(at: 1, as: UInt8.self) == 0 else {
            throw HarnessError(description: "the inbound answered \(answer)")
        }
        return wire
    }

    func send(_ bytes: ByteBuffer) async throws { try await self.channel.writeAndFlush(bytes) }
    func finish() async throws { try await self.channel.close(mode: .output) }
    func close() { self.channel.close(promise: nil) }

    /// Ends so that the other side sees an error.
    func reset() async throws {
        let socket = self.channel as? any SocketOptionProvider
        try await socket?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        try await self.channel.close()
    }

    /// Takes exactly so many bytes.
    func read(_ count: Int) async throws -> ByteBuffer {
        let handler = self.handler
        return try await self.channel.eventLoop.flatSubmit { handler.value.read(count) }.get()
    }

    /// Takes everything up to the end of a text.
    func read(through text: String) async throws -> ByteBuffer {
        var all = ByteBuffer()
        while !all.readableBytesView.suffix(text.utf8.count).elementsEqual(text.utf8) {
            all.writeImmutableBuffer(try await self.read(1))
        }
        return all
    }

    /// Takes everything until the other side ends.
    func readToEnd() async throws -> (bytes: ByteBuffer, end: End) {
        let handler = self.handler
        let end = try await self.channel.eventLoop.flatSubmit { handler.value.end.futureResult }.get()
        let rest = try await self.channel.eventLoop.submit { handler.value.takeAll() }.get()
        return (rest, end)
    }
}

private final class WireHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let end: EventLoopPromise<Wire.End>
    private let loop: any EventLoop
    private var bytes = ByteBuffer()
    private var reader: (count: Int, promise: EventLoopPromise<ByteBuffer>)?
    private var hasEnded = false

    init(_ loop: any EventLoop) {
        self.loop = loop
        self.end = loop.makePromise()
    }

    func read(_ count: Int) -> EventLoopFuture<ByteBuffer> {
        let promise = self.loop.makePromise(of: ByteBuffer.self)
        self.reader = (count, promise)
        self.serve()
        return promise.futureResult
    }

    func takeAll() -> ByteBuffer { self.bytes.readSlice(length: self.bytes.readableBytes) ?? ByteBuffer() }

    private func serve() {
        guard let reader else { return }
        if let bytes = self.bytes.readSlice(length: reader.count) {
            self.reader = nil
            reader.promise.succeed(bytes)
        } else if self.hasEnded {
            self.reader = nil
            reader.promise.fail(ChannelError.eof)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.bytes.writeImmutableBuffer(self.unwrapInboundIn(data))
        self.serve()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { self.ended(.finished) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.ended(.reset)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { self.ended(.finished) }

    func handlerRemoved(context: ChannelHandlerContext) { self.ended(.finished) }

    private func ended(_ end: Wire.End) {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        self.end.succeed(end)
        self.serve()
    }
}

@available(*, unavailable)
extension WireHandler: Sendable {}
