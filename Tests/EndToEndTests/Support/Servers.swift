// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore
import NIOPosix
import Synchronization
import WarrenTesting

/// A server of the test on loopback.
struct Server: Sendable {
    let channel: any Channel
    let port: Int

    static func start(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> Server {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer(initializer)
            .bind(host: "127.0.0.1", port: 0).get()
        return Server(channel: channel, port: channel.localAddress?.port ?? 0)
    }

    func stop() async throws { try await self.channel.close() }

    /// A port for a program that cannot choose one: out of the range from which the system gives ports, and each only once,
    /// so that no other test is given it meanwhile.
    static func freePort() async throws -> Int {
        for _ in 0..<100 {
            let port = Self.candidate.withLock {
                $0 = $0 < 30_000 ? $0 + 1 : 20_000
                return $0
            }
            let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            guard let bound = try? await bootstrap.bind(host: "127.0.0.1", port: port).get() else { continue }
            try await bound.close()
            return port
        }
        throw HarnessError(description: "there is no free port")
    }
}

extension Server {
    private static let candidate = Mutex(Int.random(in: 20_000..<30_000))
}

extension ByteBuffer {
    /// The SHA-256 of the readable bytes in hexadecimal.
    var sha256: String {
        var hash = SHA256()
        self.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        return hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}

// MARK: - Echo

extension Server {
    /// Says the same to everybody who has said anything, and ends.
    static func answering(_ answer: ByteBuffer) async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(AnswerHandler(answer))
            }
        }
    }

    /// Says everything back, and ends when the other side has.
    static func echo() async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(EchoHandler()) }
        }
    }
}

private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    }
}

extension Server {
    /// Says nothing, and ends when the other side has.
    static func silent() async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(SilentHandler()) }
        }
    }
}

private final class SilentHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
    }
}

extension Server {
    /// Says this to everybody at once, then everything back.
    static func greeting(_ greeting: ByteBuffer) async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers([GreetingHandler(greeting), EchoHandler()])
            }
        }
    }

    /// Says a word, ends its own side, and takes what one other says to its end.
    static func listening() async throws -> ListeningServer {
        let heard = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: ByteBuffer.self)
        let server = try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ListeningHandler(heard))
            }
        }
        return ListeningServer(server: server, promise: heard)
    }
}

struct ListeningServer: Sendable {
    fileprivate let server: Server
    fileprivate let promise: EventLoopPromise<ByteBuffer>
    var port: Int { self.server.port }

    /// All that came, when it has ended.
    func heard() async throws -> ByteBuffer { try await self.promise.futureResult.get() }

    func stop() async throws {
        self.promise.fail(ChannelError.eof)
        try await self.server.stop()
    }
}

private final class GreetingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let greeting: ByteBuffer

    init(_ greeting: ByteBuffer) { self.greeting = greeting }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(NIOAny(self.greeting), promise: nil)
        context.fireChannelActive()
    }
}

private final class ListeningHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let heard: EventLoopPromise<ByteBuffer>
    private var input = ByteBuffer()

    init(_ heard: EventLoopPromise<ByteBuffer>) { self.heard = heard }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(NIOAny(ByteBuffer(string: "I only listen")), promise: nil)
        context.close(mode: .output, promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.input.writeImmutableBuffer(self.unwrapInboundIn(data))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return }
        self.heard.succeed(self.input)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { self.heard.succeed(self.input) }
}

// MARK: - Both ways at once

/// A stream that says and hears content of its own: `seed 8B | up 4B | down 4B`, then both directions at the same time,
/// and at the end one byte: whether everything that came was right.
enum Exchange {
    static let headLength = 16

    /// Sends some bytes to who echoes them, ends its own side, and reads to the end.
    ///
    /// - Returns: what went wrong.
    static func halfClosed(_ seed: UInt64, over wire: Wire) async throws -> String? {
        var random = SeededRandom(seed)
        let content = random.bytes(Int.random(in: 1...150_000, using: &random))
        try await wire.send(content)
        try await wire.finish()
        let (bytes, end) = try await wire.readToEnd()
        wire.close()
        guard bytes == content else { return "\(seed): \(bytes.readableBytes) of \(content.readableBytes)" }
        return end == .finished ? nil : "\(seed): \(end)"
    }

    static func up(_ seed: UInt64, _ count: Int) -> ByteBuffer {
        var random = SeededRandom(seed)
        return random.bytes(count)
    }

    static func down(_ seed: UInt64, _ count: Int) -> ByteBuffer {
        var random = SeededRandom(~seed)
        return random.bytes(count)
    }

    /// The client's part, over a connection to a ``Server/exchange()``.
    ///
    /// - Parameter count: how many bytes go each way; nil for some.
    /// - Returns: what went wrong, if anything did.
    static func run(_ seed: UInt64, count: Int? = nil, over wire: Wire) async throws -> String? {
        var random = SeededRandom(seed &+ 1_000_000)
        let up = Self.up(seed, count ?? Int.random(in: 0...40_000, using: &random))
        let down = Self.down(seed, count ?? Int.random(in: 0...40_000, using: &random))
        var head = ByteBuffer()
        head.writeMultipleIntegers(seed, UInt32(up.readableBytes), UInt32(down.readableBytes))
        head.writeImmutableBuffer(up)
        let chunks = count == nil ? Chunks.random(head, using: &random) : Chunks.of(64 << 10, head)
        for chunk in chunks { try await wire.send(chunk) }
        let came = try await wire.read(down.readableBytes + 1)
        wire.close()
        guard came.getSlice(at: 0, length: down.readableBytes) == down else { return "\(seed): wrong bytes down" }
        return came.readableBytesView.last == 1 ? nil : "\(seed): wrong bytes up"
    }
}

extension Server {
    static func exchange() async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(ExchangeHandler()) }
        }
    }
}

private final class ExchangeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var input = ByteBuffer()
    private var expected: ByteBuffer?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.input.writeImmutableBuffer(self.unwrapInboundIn(data))
        if self.expected == nil, let head = self.input.readMultipleIntegers(as: (UInt64, UInt32, UInt32).self) {
            self.expected = Exchange.up(head.0, Int(head.1))
            context.writeAndFlush(NIOAny(Exchange.down(head.0, Int(head.2))), promise: nil)
        }
        guard let expected, self.input.readableBytes >= expected.readableBytes else { return }
        let verdict: UInt8 = self.input == expected ? 1 : 0
        context.writeAndFlush(NIOAny(ByteBuffer(bytes: [verdict])), promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { context.close(promise: nil) }
}

// MARK: - Web

/// A web server: `GET /N` answers N bytes, `GET /held/N` half of them and the rest when told, `PUT` the SHA-256 of what
/// it got. One request per connection.
struct Web: Sendable {
    let server: Server
    private let gate: EventLoopPromise<Void>
    var port: Int { self.server.port }

    static func start() async throws -> Web {
        let gate = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
        let server = try await Server.start { channel in
            channel.eventLoop.makeCompletedFuture {
                let released = gate.futureResult.hop(to: channel.eventLoop)
                try channel.pipeline.syncOperations.addHandler(WebHandler(released))
            }
        }
        return Web(server: server, gate: gate)
    }

    /// Lets held answers go on.
    func release() { self.gate.succeed() }

    func stop() async throws {
        self.gate.succeed()
        try await self.server.stop()
    }

    func url(_ path: String, host: String = "localhost") -> String { "http://\(host):\(self.port)/\(path)" }

    /// What `GET /N` answers.
    static func content(_ count: Int) -> ByteBuffer { Exchange.down(UInt64(count), count) }
}

private final class WebHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let released: EventLoopFuture<Void>
    private var input = ByteBuffer()
    private var head: [Substring]?
    private var hash = SHA256()
    private var left = 0

    init(_ released: EventLoopFuture<Void>) { self.released = released }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        if self.head == nil {
            self.input.writeBuffer(&bytes)
            let text = String(buffer: self.input)
            guard let end = text.firstRange(of: "\r\n\r\n") else { return }
            let lines = text[..<end.lowerBound].split(separator: "\r\n")
            self.head = lines.first?.split(separator: " ") ?? []
            self.input.moveReaderIndex(forwardBy: text[..<end.upperBound].utf8.count)
            self.begin(lines, context)
            bytes = self.input
        }
        self.take(bytes, context)
    }

    private func begin(_ lines: [Substring], _ context: ChannelHandlerContext) {
        for line in lines {
            let lower = line.lowercased()
            if lower.hasPrefix("content-length:") { self.left = Int(lower.dropFirst(15).drop { $0 == " " }) ?? 0 }
            if lower.hasPrefix("expect:") { self.say("HTTP/1.1 100 Continue\r\n\r\n", context) }
        }
        guard let head, head.count > 1, head[0] == "GET" else { return }
        let path = head[1].split(separator: "/")
        let count = path.last.flatMap { Int($0) } ?? 0
        var content = Web.content(count)
        self.say("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\nConnection: close\r\n\r\n", context)
        guard path.first == "held" else { return self.sayLast(content, context) }
        context.writeAndFlush(NIOAny(content.readSlice(length: count / 2) ?? ByteBuffer()), promise: nil)
        let rest = content
        self.released.assumeIsolated().whenComplete { _ in self.sayLast(rest, context) }
    }

    private func take(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard let head, head.first == "PUT", self.left >= 0 else { return }
        bytes.withUnsafeReadableBytes { self.hash.update(bufferPointer: $0) }
        self.left -= bytes.readableBytes
        guard self.left <= 0 else { return }
        self.left = -1
        let digest = self.hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: \(digest.utf8.count)\r\nConnection: close\r\n\r\n\(digest)"
        self.sayLast(ByteBuffer(string: answer), context)
    }

    private func say(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
    }

    private func sayLast(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(NIOAny(bytes), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {}
}

private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let answer: ByteBuffer
    private var hasAnswered = false

    init(_ answer: ByteBuffer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.hasAnswered else { return }
        self.hasAnswered = true
        context.writeAndFlush(NIOAny(self.answer), promise: nil)
        context.close(mode: .output, promise: nil)
    }
}
