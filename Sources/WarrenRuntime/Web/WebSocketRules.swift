// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket

/// What RFC 6455 allows a peer to send, frame by frame, where no extension was agreed on.
struct WebSocketRules {
    private let role: WebSocket.Role
    private let takesText: Bool
    /// A message has begun whose last frame has not come.
    private var isInMessage = false
    /// What the message has so far, where it is a text.
    private var text: UTF8Check?

    /// - Parameters:
    ///   - role: ours.
    ///   - takesText: false where what is carried is bytes, and a text a mistake.
    init(_ role: WebSocket.Role, takesText: Bool = true) {
        self.role = role
        self.takesText = takesText
    }

    var isInText: Bool { self.text != nil }

    mutating func judge(_ frame: WebSocketHeader) -> WebSocketFailure? {
        if frame.reservedBits != 0 { return WebSocketFailure("a frame with reserved bits") }
        switch (self.role, frame.mask) {
        case (.server, nil): return WebSocketFailure("a frame of a client without a mask")
        case (.client, .some): return WebSocketFailure("a frame of a server with a mask")
        case (.server, .some), (.client, nil): break
        }
        if frame.length > WebSocket.largestFrame, !frame.opcode.isControlOpcode {
            return WebSocketFailure("a frame is longer than \(WebSocket.largestFrame) bytes", .messageTooLarge)
        }
        switch frame.opcode {
        case .text where !self.takesText:
            return WebSocketFailure("a text, where only bytes are carried", .unacceptableData)
        case .binary, .text:
            guard !self.isInMessage else { return WebSocketFailure("a message within a message") }
            self.isInMessage = !frame.isLast
            self.text = frame.opcode == .text ? UTF8Check() : nil
        case .continuation:
            guard self.isInMessage else { return WebSocketFailure("the continuation of no message") }
            self.isInMessage = !frame.isLast
        case .connectionClose, .ping, .pong: return self.judgeControl(frame)
        default: return WebSocketFailure("a frame of an unknown kind")
        }
        return nil
    }

    /// Whether the payload of a frame that was judged is what its message says that it is (RFC 6455, section 8.1).
    mutating func judge(payload: ByteBuffer, isLast: Bool) -> WebSocketFailure? {
        guard var text else { return nil }
        let isText = text.accepts(payload.readableBytesView) && (text.isWhole || !isLast)
        self.text = text
        return isText ? nil : WebSocketFailure("a text that is not UTF-8", .dataInconsistentWithMessage)
    }

    private func judgeControl(_ frame: WebSocketHeader) -> WebSocketFailure? {
        if !frame.isLast { return WebSocketFailure("a control frame in pieces") }
        if frame.length > 125 { return WebSocketFailure("a control frame is longer than 125 bytes") }
        return nil
    }
}

/// What a Close frame means to the bytes before it.
enum WebSocketFarewell {
    /// All has been said.
    case orderly
    /// The peer gave up, for the reason with this number.
    case gaveUp(UInt16)

    /// - Throws: what is wrong with the frame (RFC 6455, sections 5.5.1 and 7.4).
    init(_ payload: ByteBuffer) throws(WebSocketFailure) {
        var payload = payload
        guard payload.readableBytes > 0 else {
            self = .orderly
            return
        }
        guard let code = payload.readInteger(as: UInt16.self) else {
            throw WebSocketFailure("half a reason in a Close frame")
        }
        switch code {
        // Normal, going away, and what libraries and applications agree on between themselves.
        case 1000, 1001, 3000...4999: self = .orderly
        case 1002, 1003, 1007...1014: self = .gaveUp(code)
        default: throw WebSocketFailure("the reason \(code) in a Close frame")
        }
        guard String(validating: payload.readableBytesView, as: UTF8.self) != nil else {
            throw WebSocketFailure("a reason in a Close frame that is no text", .dataInconsistentWithMessage)
        }
    }
}
