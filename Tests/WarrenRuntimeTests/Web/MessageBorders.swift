// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// Sends every message of a WebSocket back, whole and of its kind, over a leg that knows neither. Stands before
/// ``WebSocketBytes``, where frames still have both; what that judges, answers and delivers remains its own.
final class MessageBorders: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let leg: ChannelLeg
    private let bytes: WebSocketBytes
    private let echo: MessageEcho
    private var reader = WebSocketReader()
    private var opcode = WebSocketOpcode.binary
    /// What was written last is a header without its payload.
    private var isInFrame = false
    /// What of the answer has not been written, in bytes.
    private var left = 0
    private var isFirst = false

    private init(_ leg: ChannelLeg, _ bytes: WebSocketBytes, _ echo: MessageEcho) {
        self.leg = leg
        self.bytes = bytes
        self.echo = echo
    }

    /// Begins the leg, which has not begun.
    static func install(on leg: any Leg, _ echo: MessageEcho) throws {
        guard let leg = leg as? ChannelLeg else { throw ChannelError.operationUnsupported }
        let pipeline = leg.channel.pipeline.syncOperations
        let bytes = try pipeline.handler(type: WebSocketBytes.self)
        try pipeline.addHandler(Self(leg, bytes, echo), position: .before(bytes))
        leg.events = echo
        leg.begin()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var rest = self.unwrapInboundIn(data)
        while rest.readableBytes > 0 {
            let all = rest
            let piece = self.reader.next(in: &rest)
            let taken = all.getSlice(at: all.readerIndex, length: all.readableBytes - rest.readableBytes)
            if let taken, taken.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(taken)) }
            switch piece {
            case .header(let header)? where header.opcode == .text || header.opcode == .binary:
                self.opcode = header.opcode
                // A frame without payload is told of when more comes.
                if header.length == 0, header.isLast { self.endEmptyFrame(context) }
            case .header(let header)? where header.opcode == .continuation && header.length == 0 && header.isLast:
                self.endEmptyFrame(context)
            case .data(_, _, isLast: true)?: self.answer(context)
            case .header, .data, .control, nil: break
            }
        }
    }

    private func endEmptyFrame(_ context: ChannelHandlerContext) {
        var nothing = ByteBuffer()
        _ = self.reader.next(in: &nothing)
        self.answer(context)
    }

    private func answer(_ context: ChannelHandlerContext) {
        guard let message = self.echo.take(), !self.bytes.hasClosed else { return }
        self.isFirst = true
        self.left = message.readableBytes
        self.leg.write(message)
        // A leg has no empty messages.
        if message.readableBytes == 0, let place = try? context.pipeline.syncOperations.context(handler: self.bytes) {
            self.bytes.send(.binary, message, place, promise: nil)
        }
        self.leg.flush()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let frame = self.unwrapOutboundIn(data)
        guard !self.isInFrame else {
            self.isInFrame = false
            return context.write(data, promise: promise)
        }
        var payload = frame
        let header = payload.readWebSocketHeader()
        self.isInFrame = payload.readableBytes < header?.length ?? 0
        guard header?.opcode == .binary else { return context.write(data, promise: promise) }
        self.left -= min(self.left, WebSocket.largestWrite)
        let marked = frame.marked(self.isFirst ? self.opcode : .continuation, isLast: self.left == 0)
        self.isFirst = false
        context.write(self.wrapOutboundOut(marked), promise: promise)
    }
}

/// Keeps what has come of a message.
final class MessageEcho: LegEvents {
    private var message: ByteBuffer?
    private let answers: Bool
    private let ended: (ByteBuffer) -> Void
    var needs: LegNeeds { [] }

    /// - Parameters:
    ///   - answers: false only listens.
    ///   - ended: called with what was not sent back.
    init(answers: Bool = true, ended: @escaping (ByteBuffer) -> Void = { _ in }) {
        self.answers = answers
        self.ended = ended
    }

    /// The message, which has ended; nil where nothing is to be sent back.
    func take() -> ByteBuffer? {
        guard self.answers else { return nil }
        defer { self.message = nil }
        return self.message ?? ByteBuffer()
    }

    func received(_ bytes: ByteBuffer, by leg: any Leg) {
        if self.message?.writeImmutableBuffer(bytes) == nil { self.message = bytes }
    }
    func receivedBurst(by leg: any Leg) {}
    func finished(by leg: any Leg) { leg.finish() }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) {}
    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        leg.events = nil
        self.ended(self.message ?? ByteBuffer())
    }
}

extension ByteBuffer {
    fileprivate func marked(_ opcode: WebSocketOpcode, isLast: Bool) -> Self {
        var frame = self
        let first = (isLast ? 0x80 : 0) | UInt8(webSocketOpcode: opcode)
        frame.setInteger(first, at: frame.readerIndex)
        return frame
    }
}

@available(*, unavailable)
extension MessageBorders: Sendable {}
@available(*, unavailable)
extension MessageEcho: Sendable {}
