// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOWebSocket
import WarrenCore
import WarrenLoop

/// Asks a server to go from HTTP to WebSocket, then makes room for it.
///
/// ```
/// asking --101--> granted --end of the answer--> switching --the parser has left--> over, with a leg
///    +--- another answer, bad bytes, end, time out ---+-----------------------------> over, with a sentence
/// ```
final class WebSocketAttempt: ChannelInboundHandler, RemovableChannelHandler, OpenAttempt {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private enum Phase { case asking, granted, switching, over }

    private let client: WebSocketClient
    private let channel: LegChannel
    private let loop: SocketLoop
    private let encoder = HTTPRequestEncoder()
    private let decoder = ByteToMessageHandler(
        HTTPResponseDecoder(
            leftOverBytesStrategy: .forwardBytes, informationalResponseStrategy: .drop, limitConfiguration: .service))
    private let upgrader: NIOWebSocketClientUpgrader
    private var answer: ((Result<any Leg, CarrierFailure>) -> Void)?
    private var phase = Phase.asking
    private var timer: LoopTimer?
    /// What came behind the answer: at most one burst.
    private var early: [NIOAny] = []
    private var hasEnded = false

    /// - Parameter key: what the server has to prove that it understood.
    init(
        _ client: WebSocketClient, _ channel: LegChannel, on loop: SocketLoop,
        key: String = NIOWebSocketClientUpgrader.randomRequestKey(),
        answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) {
        self.client = client
        self.channel = channel
        self.loop = loop
        self.upgrader = NIOWebSocketClientUpgrader(requestKey: key) { channel, _ in
            channel.eventLoop.makeSucceededVoidFuture()
        }
        self.answer = answer
    }

    func start() {
        self.timer = self.loop.timer(in: self.client.timeout) {
            self.fail("the relay did not answer the WebSocket request in time", resets: true)
        }
        do {
            try self.channel.start([self.encoder, self.decoder, self])
        } catch {
            self.fail("the connection was gone before the WebSocket request", resets: true)
        }
    }

    func cancel() {
        self.answer = nil
        self.fail("cancelled", resets: true)
    }

    /// - Parameters:
    ///   - resets: false lets the peer end in order.
    ///   - isAnswer: whether the peer has answered.
    private func fail(_ sentence: String, resets: Bool, isAnswer: Bool = false) {
        guard self.phase != .over else { return }
        self.phase = .over
        self.timer?.cancel()
        self.early = []
        let answer = self.answer
        self.answer = nil
        if resets {
            self.channel.reset()
        } else {
            self.channel.endLeg()
            self.channel.read0()
        }
        answer?(.failure(CarrierFailure(sentence, isAnswer: isAnswer)))
    }
}

// MARK: - The exchange

extension WebSocketAttempt {
    func channelActive(context: ChannelHandlerContext) {
        guard var head = self.client.makeRequest() else {
            return self.fail("the path or a header of the WebSocket request cannot be sent as HTTP", resets: true)
        }
        self.upgrader.addCustom(upgradeRequestHeaders: &head.headers)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.phase {
        case .asking, .granted: self.received(self.unwrapInboundIn(data), context)
        case .switching: self.early.append(data)
        case .over: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch self.phase {
        // When it is over, what still comes is dropped: closing over it would reset the connection.
        case .asking, .granted, .over: context.read()
        case .switching: break
        }
    }

    private func received(_ part: HTTPClientResponsePart, _ context: ChannelHandlerContext) {
        switch (self.phase, part) {
        case (.asking, .head(let head)) where head.status != .switchingProtocols:
            self.fail("the relay answered \(head.status.code)", resets: false, isAnswer: true)
        case (.asking, .head(let head)):
            if let why = self.complaint(about: head) { return self.fail(why, resets: false, isAnswer: true) }
            self.phase = .granted
        case (.granted, .end): self.leaveHTTP(context)
        default: break
        }
    }

    /// What is wrong with a 101 (RFC 6455, section 4.1); nil if nothing is.
    private func complaint(about head: HTTPResponseHead) -> String? {
        guard head.headers.upgradesToWebSocket, self.upgrader.shouldAllowUpgrade(upgradeResponse: head) else {
            return "the relay answered 101, but not to our WebSocket request"
        }
        guard !head.headers.contains(name: "sec-websocket-extensions") else {
            return "the relay wants a WebSocket extension that was not offered"
        }
        let offered = self.client.headers.filter { $0.name.lowercased() == "sec-websocket-protocol" }
            .flatMap { ByteBuffer(string: $0.value).readableBytesView.listed }.map {
                String(decoding: $0, as: UTF8.self)
            }
        let chosen = head.headers[canonicalForm: "sec-websocket-protocol"].map { String($0) }
        guard chosen.count <= 1, chosen.allSatisfy(offered.contains) else {
            return "the relay wants a WebSocket subprotocol that was not offered"
        }
        return nil
    }

    private func leaveHTTP(_ context: ChannelHandlerContext) {
        self.phase = .switching
        // The parser leaves a turn later, and gives back what it had read too far.
        let left = context.pipeline.syncOperations.removeHandler(self.decoder)
        left.assumeIsolated().whenComplete { _ in self.enterWebSocket(context) }
    }

    private func enterWebSocket(_ context: ChannelHandlerContext) {
        guard self.phase == .switching else { return }
        context.pipeline.syncOperations.removeHandler(self.encoder, promise: nil)
        do {
            let leg = try WebSocket.install(
                .client, on: self.channel, loop: self.loop, keepAlive: self.client.keepAlive,
                carriesSession: self.client.carriesSession)
            self.phase = .over
            self.timer?.cancel()
            let answer = self.answer
            self.answer = nil
            answer?(.success(leg))
        } catch {
            return self.fail("the connection was gone before the WebSocket began", resets: true)
        }
        context.pass(self.early, end: self.hasEnded)
        self.early = []
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}

// MARK: - What goes wrong

extension WebSocketAttempt {
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        switch self.phase {
        case .asking, .granted: self.fail("the relay closed the connection instead of an answer", resets: false)
        case .switching: self.hasEnded = true
        case .over: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard self.phase != .over else { return context.fireErrorCaught(error) }
        switch error {
        case is HTTPParserError: self.fail("the relay does not answer in HTTP", resets: true, isAnswer: true)
        case let fault as StreamFault: self.fail("the connection failed: \(fault.rawValue)", resets: true)
        default: self.fail(TLSFailure.sentence(for: error), resets: true)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail("the relay closed the connection instead of an answer", resets: true)
        context.fireChannelInactive()
    }
}

extension ChannelHandlerContext {
    /// Hands on what was kept for those who come next.
    func pass(_ parts: [NIOAny], end: Bool) {
        for part in parts { self.fireChannelRead(part) }
        if !parts.isEmpty { self.fireChannelReadComplete() }
        if end { self.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
    }
}

extension NIOHTTPDecoderLimitConfiguration {
    /// For heads of a few headers.
    static var service: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8 << 10
        limits.maxHeaderListSize = 16 << 10
        limits.maxHeaderFieldCount = 100
        return limits
    }
}

@available(*, unavailable)
extension WebSocketAttempt: Sendable {}
