// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension HTTPRequest {
    /// Fields about the connection to the proxy; none of an origin's business (RFC 9110, section 7.6.1).
    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te", "upgrade",
        "host",
    ]
    /// What `Connection` cannot take away: without these the origin would see another request than we do.
    private static let kept: Set<String> = ["content-length", "transfer-encoding"]

    /// The head as the origin gets it: origin form, `Host` from the URI, one request per connection.
    func forwarded(to path: ByteBuffer) -> ByteBuffer {
        var head = ByteBuffer()
        head.writeString("\(self.method) ")
        head.writeImmutableBuffer(path)
        head.writeString(" HTTP/1.\(self.minorVersion)\r\nHost: \(self.target.authority)\r\n")
        let named = self.fields.filter { $0.key == "connection" }.flatMap(\.words)
        let dropped = Self.hopByHop.union(Set(named).subtracting(Self.kept))
        var hasLength = false
        for field in self.fields where !dropped.contains(field.key) {
            // The same length may have been said twice.
            if field.key == "content-length" && hasLength { continue }
            hasLength = hasLength || field.key == "content-length"
            head.writeString("\(field.name): ")
            head.writeBytes(field.value)
            head.writeString("\r\n")
        }
        head.writeString(
            self.wantsWebSocket ? "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" : "Connection: close\r\n\r\n"
        )
        return head
    }
}
