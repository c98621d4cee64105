// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import NIOWebSocket
import WarrenCore
import WarrenLoop

/// Makes a stream of bytes of WebSocket frames, with a half-close: a Close frame means "I send no more".
///
/// ```
///        ┌── our Close ──> finishing ── peer's Close ──┐
/// open ──┤                                             ├──> closed: the server ends the connection, the client waits
///        └── peer's Close ──> draining ── our Close ───┘
/// the connection ends without the peer's Close, bad frames, no answer to pings, a Close that tells of a fault ──> error
/// ```
///
/// What arrives before the first read is asked for is kept until then: nobody listens yet.
final class WebSocketBytes: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketFrame

    let role: WebSocket.Role
    let loop: SocketLoop
    let keepAlive: TimeAmount
    /// Its peer always reads.
    let carriesSession: Bool
    private var rules: WebSocketRules

    /// Frames that came before anybody asked: at most one burst.
    private var held: [WebSocketFrame] = []
    private var isHolding = true
    private var isReleasing = false
    /// The transport's end came while frames were held.
    private var heldEnd = false
    /// What is owed to the last ping.
    private var pong: ByteBuffer?
    /// Pongs were written in this burst.
    private var owesFlush = false

    var hasClosed = false
    var peerHasClosed = false
    /// Nobody wants what still comes.
    var isDropping = false
    /// The transport has been told to close.
    var isClosing = false
    var isGone = false
    var closingTimer: LoopTimer?
    var pingTimer: LoopTimer?
    var lastSent: NIODeadline
    /// When payload was written last: only to a connection that takes it.
    var lastPayload: NIODeadline
    /// What was written since something came, in bytes.
    var unheard = 0
    /// When the last ping was sent.
    var lastPing = NIODeadline.uptimeNanoseconds(0)
    /// Since when a read has been asked for and nothing has come.
    var waitingSince: NIODeadline?

    init(_ role: WebSocket.Role, on loop: SocketLoop, keepAlive: TimeAmount, carriesSession: Bool = false) {
        self.role = role
        self.carriesSession = carriesSession
        self.rules = WebSocketRules(role, takesText: !carriesSession)
        self.loop = loop
        self.keepAlive = keepAlive
        self.lastSent = loop.now
        self.lastPayload = loop.now
    }

    func handlerAdded(context: ChannelHandlerContext) { self.armPing(context) }

    func handlerRemoved(context: ChannelHandlerContext) { self.stop() }

    func channelInactive(context: ChannelHandlerContext) {
        let isCut = !self.peerHasClosed && !self.isClosing && !self.isGone
        self.stop()
        if isCut { context.fireErrorCaught(StreamFault.aborted) }
        context.fireChannelInactive()
    }

    private func stop() {
        self.isGone = true
        self.held = []
        self.pong = nil
        self.pingTimer?.cancel()
        self.closingTimer?.cancel()
    }
}

// MARK: - Frames in

extension WebSocketBytes {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = self.unwrapInboundIn(data)
        if self.isHolding { self.held.append(frame) } else { self.take(frame, context) }
    }

    private func take(_ frame: WebSocketFrame, _ context: ChannelHandlerContext) {
        guard !self.peerHasClosed, !self.isClosing, !self.isGone else { return }
        if let failure = self.rules.judge(frame) { return self.fail(failure, context) }
        switch frame.opcode {
        case .connectionClose: self.peerCloses(frame.plainData, context)
        case .ping:
            self.pong = frame.plainData
            self.sendPong(context)
        case .pong: break
        default: self.deliver(frame.plainData, isLast: frame.fin, context)
        }
    }

    private func deliver(_ payload: ByteBuffer, isLast: Bool, _ context: ChannelHandlerContext) {
        guard !self.isDropping else { return }
        if let failure = self.rules.judge(payload: payload, isLast: isLast) { return self.fail(failure, context) }
        if payload.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(payload)) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.waitingSince = nil
        self.unheard = 0
        // Until the end, whoever listens: closing over unread bytes would reset the connection.
        if self.isDropping || self.isClosing || self.closingTimer != nil { self.readOn(context) }
        guard !self.isHolding else { return }
        self.flushPongs(context)
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        guard self.isHolding else { return self.readOn(context) }
        guard !self.isReleasing else { return }
        guard !self.held.isEmpty || self.heldEnd else {
            self.isHolding = false
            return self.readOn(context)
        }
        // A leg delivers nothing before the call that asks for it returns.
        self.isReleasing = true
        self.loop.defer { self.release(context) }
    }

    private func release(_ context: ChannelHandlerContext) {
        guard !self.isGone else { return }
        self.isHolding = false
        let frames = self.held
        self.held = []
        for frame in frames { self.take(frame, context) }
        if self.heldEnd { self.transportEnded(context) }
        if !self.isGone { self.channelReadComplete(context: context) }
    }

    func readOn(_ context: ChannelHandlerContext) {
        guard !self.isGone else { return }
        if self.waitingSince == nil { self.waitingSince = self.loop.now }
        context.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        if self.isHolding { self.heldEnd = true } else { self.transportEnded(context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        // What comes behind a Close frame is dropped, whatever it is.
        case is NIOWebSocketError where self.peerHasClosed: break
        case let error as NIOWebSocketError: self.fail(WebSocketFailure(error), context)
        // More bytes after bad ones.
        case is ByteToMessageDecoderError: break
        // The end of the transport follows, and it matters only whether a Close frame came before.
        case NIOSSLError.uncleanShutdown: break
        default:
            // After both have said Close, nobody minds how the connection ends.
            if !(self.hasClosed && self.peerHasClosed) { context.fireErrorCaught(error) }
        }
    }
}

// MARK: - Frames out

extension WebSocketBytes {
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !self.hasClosed, !self.isGone else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        self.lastPayload = self.loop.now
        var bytes = self.unwrapOutboundIn(data)
        self.unheard = min(self.unheard + bytes.readableBytes, WebSocket.mostUnheard)
        let most = WebSocket.largestWrite
        while bytes.readableBytes > most, let piece = bytes.readSlice(length: most) {
            self.send(.binary, piece, context, promise: nil)
        }
        guard bytes.readableBytes > 0 else {
            promise?.succeed()
            return
        }
        self.send(.binary, bytes, context, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.sendPong(context)
        self.flushPongs(context)
        context.fireChannelWritabilityChanged()
    }

    func send(
        _ opcode: WebSocketOpcode, _ bytes: ByteBuffer, _ context: ChannelHandlerContext,
        promise: EventLoopPromise<Void>?
    ) {
        self.lastSent = self.loop.now
        switch self.role {
        case .client:
            let frame = ByteBuffer(webSocketFrame: opcode, masked: bytes, .random())
            context.write(NIOAny(frame), promise: promise)
        case .server:
            let frame = WebSocketFrame(fin: true, opcode: opcode, data: bytes)
            context.write(self.wrapOutboundOut(frame), promise: promise)
        }
    }

    /// Answers the last ping, and waits for room: a peer that pings and does not read fills no queue.
    private func sendPong(_ context: ChannelHandlerContext) {
        guard let pong, context.channel.isWritable, !self.isGone else { return }
        self.pong = nil
        guard !self.hasClosed else { return }
        self.send(.pong, pong, context, promise: nil)
        self.owesFlush = true
    }

    private func flushPongs(_ context: ChannelHandlerContext) {
        guard self.owesFlush, !self.isGone else { return }
        self.owesFlush = false
        context.flush()
    }
}

@available(*, unavailable)
extension WebSocketBytes: Sendable {}
