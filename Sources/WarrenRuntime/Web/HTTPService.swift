// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import NIOHTTP1
package import WarrenCore
package import WarrenLoop

/// What answers HTTP requests on a listener and takes over its WebSockets. Called on the loop of each connection.
package protocol HTTPService<Token>: AnyObject {
    /// What the service knows of an upgrade between the two halves of granting it.
    associatedtype Token

    /// Answers an ordinary request. A path that exists as a WebSocket only gets ``HTTPServiceAnswer/upgradeRequired``.
    func answer(_ request: HTTPServiceRequest) -> HTTPServiceAnswer
    /// Asked once per well-formed upgrade; a granted one ends in ``upgraded(_:_:token:on:)`` or ``abandoned(_:)``.
    func mayUpgrade(_ request: HTTPServiceRequest) -> UpgradeVerdict<Token>
    /// Takes over a leg that has not begun. What the client sent right behind its request waits for that.
    func upgraded(_ leg: any Leg, _ request: HTTPServiceRequest, token: Token, on loop: SocketLoop)
    /// The connection went before the upgrade was through.
    func abandoned(_ token: Token)
}

/// Tells requests to a service from other words: a proxy takes any method, a service those in capitals.
package enum HTTPServiceRequestLine {
    /// The longest registered method has 17 bytes.
    private static let longestMethod = 24

    /// A method in capitals and the space behind it.
    package static func detect(_ head: ByteBufferView) -> Detection {
        let method = head.prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) || $0 == UInt8(ascii: "-") }
        guard method.count < Self.longestMethod, method.first != UInt8(ascii: "-") else { return .no }
        guard method.endIndex < head.endIndex else { return .needs(bytes: head.count + 1) }
        return !method.isEmpty && head[method.endIndex] == UInt8(ascii: " ") ? .yes : .no
    }
}

package enum UpgradeVerdict<Token> {
    case granted(Token)
    /// The connection is closed after this answer.
    case refused(HTTPResponseStatus)
}

/// A request, whole.
package struct HTTPServiceRequest {
    package var method: HTTPMethod
    /// The request's target as it was sent, with its query.
    package var uri: String
    package var headers: HTTPHeaders
    /// At most ``HTTPServiceLimits/body`` bytes.
    package var body: ByteBuffer
    package var peer: SocketAddress?

    /// The value of the `Authorization` header.
    package var authorization: String? { self.headers.first(name: "authorization") }
}

/// An answer. Its length and the fate of the connection are added to the headers.
package struct HTTPServiceAnswer {
    package var status: HTTPResponseStatus
    package var headers: HTTPHeaders
    /// Not sent in answer to `HEAD`, nor with a status that has none.
    package var body: ByteBuffer

    package init(_ status: HTTPResponseStatus, headers: HTTPHeaders = [:], body: ByteBuffer = ByteBuffer()) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// 426: this path exists as a WebSocket only.
    package static var upgradeRequired: HTTPServiceAnswer {
        HTTPServiceAnswer(.upgradeRequired, headers: ["Upgrade": "websocket", "Sec-WebSocket-Version": "13"])
    }
}

/// What one connection of a service may cost.
package struct HTTPServiceLimits: Sendable {
    /// How long the head of a request may take, and its body again.
    package var timeout = TimeAmount.seconds(10)
    /// How long a connection may wait for its next request, or take nothing of an answer.
    package var idle = TimeAmount.seconds(60)
    /// A ping goes out on a WebSocket when nothing was sent for so long.
    package var keepAlive = WebSocketClient.usualPing
    /// A WebSocket has frames of a session: a text is a mistake, and the peer always reads, so that it answers pings also
    /// under traffic.
    package var carriesSession = false
    /// The largest body, in bytes.
    package var body = 64 << 10

    package init() {}

    /// Parts of requests that wait while the client does not read its answers.
    static let waitingParts = 256
}

extension HTTPService {
    /// Serves a connection: a plain one, one behind TLS, or one that a detector hands over.
    ///
    /// - Throws: where the connection is gone already.
    package func install(
        on leg: any Leg, loop: SocketLoop, limits: HTTPServiceLimits = HTTPServiceLimits()
    ) throws {
        let channel = LegChannel(leg, on: loop)
        let handler = HTTPServiceHandler(self, channel, on: loop, limits)
        try channel.start([handler.encoder, handler.decoder, handler])
    }
}
