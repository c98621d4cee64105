// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

/// Fetches N bytes of ``Pattern`` over one path and checks every one of them.
struct DemoClient {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    struct Fetch: Sendable {
        /// From the start of the connection to the first byte of the body.
        var firstByte: TimeAmount
        /// From the first byte of the body to the last.
        var rest: TimeAmount
    }

    let group: any EventLoopGroup

    func fetch(_ count: Int, over path: DemoPath) async throws -> Fetch {
        let loop = self.group.next()
        let promise = loop.makePromise(of: Fetch.self)
        let connecting = ClientBootstrap(group: loop)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 65536, maximum: 512 << 10)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DemoFetch(count, path, promise))
                }
            }
            .connect(to: path.front)
        connecting.whenFailure { promise.fail($0) }
        let channel = try await connecting.get()
        let timeUp = loop.scheduleTask(in: .seconds(60)) { promise.fail(Failure(description: "no answer in 60 s")) }
        defer {
            timeUp.cancel()
            channel.close(promise: nil)
        }
        return try await promise.futureResult.get()
    }
}

private final class DemoFetch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let count: Int
    private let path: DemoPath
    private let promise: EventLoopPromise<DemoClient.Fetch>
    private let started = NIODeadline.now()
    private var firstByte: NIODeadline?
    private var steps: ArraySlice<DemoPath.Step>
    private var input = ByteBuffer()
    private var received = 0
    private var hasHead = false

    init(_ count: Int, _ path: DemoPath, _ promise: EventLoopPromise<DemoClient.Fetch>) {
        self.count = count
        self.path = path
        self.promise = promise
        self.steps = path.steps[...]
    }

    func channelActive(context: ChannelHandlerContext) { self.sayNext(context) }

    private func sayNext(_ context: ChannelHandlerContext) {
        let request = "GET \(self.path.prefix)/\(self.count) HTTP/1.1\r\nHost: \(self.path.host)\r\n\r\n"
        let bytes = self.steps.first.map { ByteBuffer(bytes: $0.say) } ?? ByteBuffer(string: request)
        context.writeAndFlush(NIOAny(bytes), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        if !self.hasHead {
            self.input.writeBuffer(&bytes)
            self.readHeads(context)
            guard self.hasHead else { return }
            bytes = self.input
        }
        self.check(bytes)
    }

    private func readHeads(_ context: ChannelHandlerContext) {
        while let step = self.steps.first {
            switch step.answer {
            case .bytes(let count, let prefix):
                guard let answer = self.input.readBytes(length: count) else { return }
                guard answer.starts(with: prefix) else { return self.fail("the inbound answered \(answer)") }
            case .head(let prefix):
                guard let head = self.readHead() else { return }
                guard head.hasPrefix(prefix) else { return self.fail("the inbound answered \(head)") }
            }
            self.steps.removeFirst()
            self.sayNext(context)
        }
        guard let head = self.readHead() else { return }
        guard head.hasPrefix("HTTP/1.1 200 ") else { return self.fail("the origin answered \(head)") }
        self.hasHead = true
    }

    private func readHead() -> String? {
        guard let end = self.input.readableBytesView.firstRange(of: [13, 10, 13, 10]) else { return nil }
        return self.input.readString(length: end.upperBound - self.input.readerIndex)
    }

    private func check(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 || self.count == 0 else { return }
        let now = NIODeadline.now()
        let firstByte = self.firstByte ?? now
        self.firstByte = firstByte
        guard Pattern.matches(bytes, at: self.received) else { return self.fail("wrong bytes after \(self.received)") }
        self.received += bytes.readableBytes
        guard self.received <= self.count else { return self.fail("the server sent more bytes than it was asked for") }
        guard self.received == self.count else { return }
        self.promise.succeed(.init(firstByte: firstByte - self.started, rest: now - firstByte))
    }

    private func fail(_ sentence: String) { self.promise.fail(DemoClient.Failure(description: sentence)) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.promise.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail("the connection ended after \(self.received) of \(self.count) bytes")
    }
}
