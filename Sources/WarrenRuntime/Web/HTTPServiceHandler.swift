// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore
import NIOHTTP1
import WarrenCore
import WarrenLoop

/// Answers the requests of one connection in their order, one at a time, until one of them becomes a WebSocket.
///
/// ```
/// head --head--> body --end--> answered --keep-alive--> head
///                          +-- upgrade granted --> upgrading --the parser has left--> over, with a leg
/// bad bytes, too large, too slow, Connection: close, end --> over
/// ```
///
/// While the client does not take its answers, what it has asked waits, and nothing more is read.
final class HTTPServiceHandler<Service: HTTPService>: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    enum Phase {
        case head
        case body(HTTPRequestHead, ByteBuffer)
        case upgrading(Service.Token, HTTPServiceRequest, HTTPHeaders)
        case over
    }

    let service: Service
    let channel: LegChannel
    let loop: SocketLoop
    let limits: HTTPServiceLimits
    let encoder = HTTPResponseEncoder()
    let decoder = ByteToMessageHandler(
        HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: .service))
    var phase = Phase.head
    /// What came behind a request for an upgrade: at most one burst.
    var early: [NIOAny] = []
    var inputEnded = false
    private var waiting = Deque<HTTPServerRequestPart>()
    /// The answer to what could not be read, behind what still waits.
    private var broken: HTTPResponseStatus?
    private var timer: LoopTimer?
    /// No byte of the next request has come.
    private var isIdle = false
    private var hasAnswered = false

    init(_ service: Service, _ channel: LegChannel, on loop: SocketLoop, _ limits: HTTPServiceLimits) {
        self.service = service
        self.channel = channel
        self.loop = loop
        self.limits = limits
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.over() }

    func channelActive(context: ChannelHandlerContext) {
        self.wait(self.limits.timeout, context)
        context.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.over()
        context.fireChannelInactive()
    }

    func over() {
        self.timer?.cancel()
        self.waiting = []
        self.early = []
        let phase = self.phase
        self.phase = .over
        if case .upgrading(let token, _, _) = phase { self.service.abandoned(token) }
    }

    func close(_ context: ChannelHandlerContext) {
        self.over()
        context.close(promise: nil)
        // TLS below may wait for the peer's farewell.
        context.read()
    }

    func stopWaiting() { self.timer?.cancel() }

    private func wait(_ time: TimeAmount, isIdle: Bool = false, _ context: ChannelHandlerContext) {
        self.isIdle = isIdle
        self.timer?.cancel()
        self.timer = self.loop.timer(in: time) { self.timedOut(context) }
    }

    private func timedOut(_ context: ChannelHandlerContext) {
        guard case .body(let head, _) = self.phase else { return self.close(context) }
        self.reply(HTTPServiceAnswer(.requestTimeout), to: head, closes: true, context)
    }
}

// MARK: - Requests

extension HTTPServiceHandler {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.phase {
        case .over: return
        case .upgrading: self.early.append(data)
        case .head, .body:
            let part = self.unwrapInboundIn(data)
            if self.waiting.isEmpty && context.channel.isWritable { return self.received(part, context) }
            self.waiting.append(part)
            if self.waiting.count > HTTPServiceLimits.waitingParts { self.close(context) }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if self.isIdle && !self.hasAnswered && self.waiting.isEmpty { self.wait(self.limits.timeout, context) }
        self.hasAnswered = false
        self.readOn(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        while context.channel.isWritable, let part = self.waiting.popFirst() { self.received(part, context) }
        self.readOn(context)
    }

    private func readOn(_ context: ChannelHandlerContext) {
        switch self.phase {
        case .head, .body: self.askForMore(context)
        case .upgrading: break
        // What still comes is dropped: closing over it would reset the connection.
        case .over: context.read()
        }
    }

    private func askForMore(_ context: ChannelHandlerContext) {
        guard self.waiting.isEmpty else { return }
        if let broken {
            self.reply(HTTPServiceAnswer(broken), to: nil, closes: true, context)
        } else if self.inputEnded {
            self.close(context)
        } else if context.channel.isWritable {
            context.read()
        }
    }

    private func received(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch (self.phase, part) {
        case (.head, .head(let head)):
            let length = head.headers.first(name: "content-length").map { Int($0) ?? .max } ?? 0
            guard length <= self.limits.body else { return self.tooLarge(head, context) }
            self.wait(self.limits.timeout, context)
            self.phase = .body(head, ByteBuffer())
        case (.body(let head, var body), .body(let bytes)):
            guard bytes.readableBytes <= self.limits.body - body.readableBytes else {
                return self.tooLarge(head, context)
            }
            self.phase = .head
            body.take(bytes)
            self.phase = .body(head, body)
        case (.body(let head, let body), .end): self.received(head, body, context)
        default: break
        }
    }

    private func tooLarge(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        self.reply(HTTPServiceAnswer(.payloadTooLarge), to: head, closes: true, context)
    }

    private func received(_ head: HTTPRequestHead, _ body: ByteBuffer, _ context: ChannelHandlerContext) {
        let request = HTTPServiceRequest(
            method: head.method, uri: head.uri, headers: head.headers, body: body, peer: self.channel.remoteAddress)
        if head.method == .GET && head.headers.upgradesToWebSocket { return self.askUpgrade(request, head, context) }
        // Behind what might have become another protocol the parser stops.
        let closes = !head.isKeepAlive || head.method == .CONNECT || head.headers.contains(name: "upgrade")
        self.reply(self.service.answer(request), to: head, closes: closes, context)
    }

    /// - Parameter head: what is answered; nil where it could not be read.
    func reply(
        _ answer: HTTPServiceAnswer, to head: HTTPRequestHead?, closes: Bool, _ context: ChannelHandlerContext
    ) {
        var headers = answer.headers
        headers.replaceOrAdd(name: "Content-Length", value: "\(answer.body.readableBytes)")
        if closes {
            headers.replaceOrAdd(name: "Connection", value: "close")
        } else if head?.version == .http1_0 {
            headers.replaceOrAdd(name: "Connection", value: "keep-alive")
        }
        let answerHead = HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)
        self.hasAnswered = true
        if closes {
            // Before anything is written: room for more must not bring up the next request.
            self.over()
        } else {
            self.phase = .head
            self.wait(self.limits.idle, isIdle: true, context)
        }
        context.write(self.wrapOutboundOut(.head(answerHead)), promise: nil)
        let hasBody = ![204, 304].contains(answer.status.code) && answer.status.code >= 200
        if hasBody && head?.method != .HEAD {
            context.write(self.wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil)
        }
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        if closes { self.close(context) }
    }
}

// MARK: - Ends and errors

extension HTTPServiceHandler {
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        self.inputEnded = true
        switch self.phase {
        case .head, .body: if self.waiting.isEmpty { self.close(context) }
        case .upgrading, .over: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch (self.phase, error) {
        case (.over, _): context.fireErrorCaught(error)
        case (.head, let error as HTTPParserError), (.body, let error as HTTPParserError):
            self.broken = error == .headerOverflow ? .requestHeaderFieldsTooLarge : .badRequest
            self.readOn(context)
        default: self.close(context)
        }
    }
}

@available(*, unavailable)
extension HTTPServiceHandler: Sendable {}
