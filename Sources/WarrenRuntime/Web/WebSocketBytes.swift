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
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let role: WebSocket.Role
    let loop: SocketLoop
    let keepAlive: TimeAmount
    /// Its peer always reads.
    let carriesSession: Bool
    private var rules: WebSocketRules
    private var reader = WebSocketReader()
    private var masks = WebSocketMasks()
    /// Payload of the bytes that are being taken, without its mask.
    private var plain = ByteBuffer()

    /// What came before anybody asked: at most one burst.
    private var held: [ByteBuffer] = []
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
        let bytes = self.unwrapInboundIn(data)
        if self.isHolding { self.held.append(bytes) } else { self.take(bytes, context) }
    }

    private func take(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        var bytes = bytes
        // What comes behind a Close frame is dropped, whatever it is.
        while !self.peerHasClosed, !self.isClosing, !self.isGone, let piece = self.reader.next(in: &bytes) {
            switch piece {
            case .header(let header):
                let failure = self.rules.judge(header)
                if failure != nil || self.rules.isInText { self.deliver(context) }
                if let failure { self.fail(failure, context) }
            case .data(let payload, let mask, let isLast):
                self.unmask(payload, mask, of: bytes.readableBytes, context)
                if self.rules.isInText { self.judgeText(isLast: isLast, context) }
            case .control(.connectionClose, let reason):
                self.deliver(context)
                self.peerCloses(reason, context)
            case .control(.ping, let body):
                self.pong = body
                self.sendPong(context)
            case .control: break
            }
        }
        self.deliver(context)
    }

    /// Payload without a mask is passed on where it lies; all of one read that has one becomes one buffer.
    private func unmask(_ payload: ByteBuffer, _ mask: WebSocketMask?, of rest: Int, _ context: ChannelHandlerContext) {
        guard !self.isDropping, payload.readableBytes > 0 else { return }
        guard let mask else {
            self.deliver(context)
            self.plain = payload
            return
        }
        if self.plain.readableBytes == 0 {
            self.plain = context.channel.allocator.buffer(capacity: payload.readableBytes + rest)
        }
        self.plain.writePayload(payload, mask)
    }

    /// What is no text is not delivered, but for what came before it.
    private func judgeText(isLast: Bool, _ context: ChannelHandlerContext) {
        if let failure = self.rules.judge(payload: self.plain, isLast: isLast) {
            self.plain = ByteBuffer()
            return self.fail(failure, context)
        }
        self.deliver(context)
    }

    private func deliver(_ context: ChannelHandlerContext) {
        guard self.plain.readableBytes > 0 else { return }
        let payload = self.plain
        self.plain = ByteBuffer()
        if !self.isDropping, !self.isGone { context.fireChannelRead(self.wrapInboundOut(payload)) }
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
        let held = self.held
        self.held = []
        for bytes in held { self.take(bytes, context) }
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
        let most = self.carriesSession ? WebSocket.largestMessage : WebSocket.largestWrite
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
            let frame = ByteBuffer(webSocketFrame: opcode, masked: bytes, self.masks.next())
            context.write(self.wrapOutboundOut(frame), promise: promise)
        case .server:
            let isShort = bytes.readableBytes <= WebSocket.mostCopied
            var frame = context.channel.allocator.buffer(
                capacity: WebSocketHeader.mostBytes + (isShort ? bytes.readableBytes : 0))
            frame.writeWebSocketHeader(opcode, count: bytes.readableBytes)
            if isShort { frame.writeImmutableBuffer(bytes) }
            context.write(self.wrapOutboundOut(frame), promise: isShort ? promise : nil)
            if !isShort { context.write(self.wrapOutboundOut(bytes), promise: promise) }
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
