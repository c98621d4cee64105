// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOWebSocket
import WarrenCore
import WarrenLoop

/// WebSocket (RFC 6455) as a carrier of bytes: where messages begin and end means nothing to it.
enum WebSocket {
    enum Role { case client, server }

    /// The largest frame that is taken. Deployed peers send at most 64 KiB.
    static let largestFrame = 1 << 20
    /// The largest frame that is sent.
    static let largestWrite = 64 << 10
    /// The same for the messages of a session, whose length is that session's matter.
    static let largestMessage = 256 << 10
    /// A server copies so little behind the header of its frame, so that both are one write.
    static let mostCopied = 4 << 10
    /// How long a client waits for the server to close the connection after both have said Close.
    static let closingTime = TimeAmount.seconds(2)
    /// A peer that always reads has read so many bytes before a ping in the time that it has to answer.
    static let mostUnheard = 64 << 10
    /// How long a ping may remain without an answer.
    static let pongTime = TimeAmount.seconds(15)

    /// Puts frames behind the handlers that are on the channel, and makes the leg that speaks bytes over them.
    ///
    /// - Parameter keepAlive: a ping goes out when nothing was sent for so long.
    static func install(
        _ role: Role, on channel: any Channel, loop: SocketLoop, keepAlive: TimeAmount, carriesSession: Bool
    ) throws -> ChannelLeg {
        let bytes = WebSocketBytes(role, on: loop, keepAlive: keepAlive, carriesSession: carriesSession)
        try channel.pipeline.syncOperations.addHandler(bytes)
        return try ChannelLeg.last(of: channel)
    }
}

/// Why a WebSocket connection was given up, in words for an operator.
struct WebSocketFailure: Error, CustomStringConvertible {
    let description: String
    /// What the peer is told.
    let code: WebSocketErrorCode

    init(_ description: String, _ code: WebSocketErrorCode = .protocolError) {
        self.description = "WebSocket: \(description)"
        self.code = code
    }
}

extension HTTPHeaders {
    /// Whether both headers of a WebSocket upgrade are there: only then does the parser stop behind this message.
    var upgradesToWebSocket: Bool {
        self.names("upgrade", "websocket") && self.names("connection", "upgrade")
    }

    private func names(_ header: String, _ word: String) -> Bool {
        self[canonicalForm: header].contains { $0.utf8.equalsIgnoringCase(word) }
    }
}
