// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import WarrenTesting

// Servers that speak at odd times: behind the end, or without one.

extension Server {
    /// Says everything back when the other side has finished, and not before.
    static func patient() async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(PatientHandler()) }
        }
    }

    /// Says something to everybody who has said anything, ends its own side, and hears what comes behind that.
    static func leaving(_ words: ByteBuffer, _ heard: Heard) async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(LeavingHandler(words, heard))
            }
        }
    }

    /// Says ``Endless`` to everybody who has said anything, as long as they take it.
    static func endless() async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(EndlessHandler()) }
        }
    }

    /// Says a little to everybody who has said anything, again and again.
    static func dripping() async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(DrippingHandler()) }
        }
    }
}

/// What a server has heard on its first connection, from the first byte to the end.
final class Heard: Sendable {
    fileprivate let promise = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: ByteBuffer.self)

    deinit { self.promise.fail(CancellationError()) }

    func all() async throws -> ByteBuffer { try await self.promise.futureResult.get() }
}

/// Content without an end that can be checked at every place.
enum Endless {
    /// No power of two, so that bytes in a wrong place are noticed.
    private static let period = 65_521
    private static let block = {
        var random = SeededRandom(11)
        var block = random.bytes(Self.period)
        block.writeImmutableBuffer(block)
        return block
    }()

    static func piece(at offset: Int) -> ByteBuffer {
        Self.block.getSlice(at: offset % Self.period, length: Self.period) ?? ByteBuffer()
    }

    static func matches(_ bytes: ByteBuffer, at offset: Int) -> Bool {
        var (rest, offset) = (bytes, offset)
        while rest.readableBytes > 0 {
            let expected = Self.piece(at: offset)
            let count = min(rest.readableBytes, expected.readableBytes)
            guard rest.readSlice(length: count) == expected.getSlice(at: expected.readerIndex, length: count) else {
                return false
            }
            offset += count
        }
        return true
    }
}

private final class PatientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var input = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.input.writeImmutableBuffer(self.unwrapInboundIn(data))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(NIOAny(self.input), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    }
}

private final class LeavingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let words: ByteBuffer
    private let heard: Heard
    private var input = ByteBuffer()

    init(_ words: ByteBuffer, _ heard: Heard) {
        self.words = words
        self.heard = heard
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let isFirst = self.input.readableBytes == 0
        self.input.writeImmutableBuffer(self.unwrapInboundIn(data))
        guard isFirst else { return }
        context.writeAndFlush(NIOAny(self.words), promise: nil)
        context.close(mode: .output, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { self.heard.promise.succeed(self.input) }
}

private final class EndlessHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var isAsked = false
    private var isSending = false
    private var sent = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.isAsked = true
        self.sendMore(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { self.sendMore(context) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
    }

    private func sendMore(_ context: ChannelHandlerContext) {
        // A flush may tell at once that there is room again: the loop sees that.
        guard self.isAsked, !self.isSending else { return }
        self.isSending = true
        while context.channel.isActive, context.channel.isWritable {
            let piece = Endless.piece(at: self.sent)
            self.sent += piece.readableBytes
            context.writeAndFlush(NIOAny(piece), promise: nil)
        }
        self.isSending = false
    }
}

private final class DrippingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var task: RepeatedTask?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.task == nil else { return }
        let channel = context.channel
        self.task = context.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(20)) { _ in
            channel.writeAndFlush(ByteBuffer(string: "drip"), promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { self.task?.cancel() }
}
