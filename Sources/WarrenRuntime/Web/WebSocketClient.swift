// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOHTTP1
import WarrenCore
package import WarrenLoop

/// How to ask a server for a WebSocket.
package struct WebSocketClient: Sendable {
    /// The value of the `Host` header.
    package var host: String
    /// The request's target, with its query: `/tunnel?id=1`.
    package var path: String
    /// Sent besides the headers of the upgrade.
    package var headers: [(name: String, value: String)]
    /// How long TLS and the upgrade may take together.
    package var timeout = TimeAmount.seconds(10)
    /// A ping goes out when nothing was sent for so long, so that proxies on the way keep the connection.
    package var keepAlive = Self.usualPing
    /// Frames of a session: a text is a mistake, and the peer always reads, so that it answers pings also under traffic.
    package var carriesSession = false

    /// Proxies give up on a silent connection after 60 seconds as a rule, and some after 30.
    package static let usualPing = TimeAmount.seconds(15)

    package init(host: String, path: String, headers: [(name: String, value: String)] = []) {
        self.host = host
        self.path = path
        self.headers = headers
    }

    /// Asks over a connection that has not begun.
    ///
    /// - Parameter answer: called on `loop`, once unless the attempt is cancelled, and possibly before this returns. The leg
    ///   that comes has not begun; what the server sent right behind its answer waits for that.
    package func upgrade(
        _ leg: any Leg, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) -> any OpenAttempt {
        let attempt = WebSocketAttempt(self, LegChannel(leg, on: loop), on: loop, answer: answer)
        attempt.start()
        return attempt
    }

    /// The request without what the upgrade itself needs; nil where it cannot be written as HTTP.
    func makeRequest() -> HTTPRequestHead? {
        guard Self.isTarget(self.path), Self.isValue(self.host) else { return nil }
        var headers: HTTPHeaders = ["Host": self.host, "Upgrade": "websocket", "Connection": "Upgrade"]
        for (name, value) in self.headers {
            guard Self.isName(name), Self.isValue(value) else { return nil }
            headers.add(name: name, value: value)
        }
        return HTTPRequestHead(version: .http1_1, method: .GET, uri: self.path, headers: headers)
    }

    private static func isTarget(_ text: String) -> Bool {
        text.utf8.first == UInt8(ascii: "/") && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
    }

    private static func isValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}
