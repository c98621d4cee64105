// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension HTTPRequest {
    /// The head as the origin gets it: origin form, our own version, `Host` from the URI, one request per connection.
    func forwarded(to path: ByteBuffer) -> ByteBuffer {
        var head = ByteBuffer()
        head.writeString("\(self.method) ")
        head.writeImmutableBuffer(path)
        head.writeString(" HTTP/1.1\r\nHost: \(self.target.authority)\r\n")
        var dropped: Set<String> = ["host"]
        // Who waits for "100 Continue" would never get it in HTTP/1.0 (RFC 9110, section 10.1.1).
        if self.minorVersion == 0 { dropped.insert("expect") }
        var hasLength = false
        for field in self.fields.endToEnd(without: dropped) where self.origin?.drops(field.key) != true {
            switch field.key {
            // The same length may have been said twice.
            case "content-length" where hasLength: continue
            case "content-length": hasLength = true
            case "max-forwards" where self.mostForwards != nil: continue
            default: break
            }
            head.writeField(field)
        }
        if let mostForwards { head.writeString("Max-Forwards: \(max(0, mostForwards - 1))\r\n") }
        self.origin?.write(to: &head, asking: self.fields.first { $0.key == "host" }?.value)
        head.writeVia(minorVersion: self.minorVersion)
        let upgrades = self.upgrades
        head.writeString(
            upgrades.isEmpty
                ? "Connection: close\r\n\r\n"
                : "Connection: Upgrade\r\nUpgrade: \(upgrades.joined(separator: ", "))\r\n\r\n"
        )
        return head
    }
}

// MARK: - Answers without an origin

extension HTTPRequest {
    /// The answer of a proxy at which the request has come to its last hop; nil where it is to be passed on.
    ///
    /// - Source: RFC 9110, section 7.6.2.
    func ownAnswer(_ connection: HTTPPersistence) -> ByteBuffer? {
        guard self.mostForwards == 0 else { return nil }
        var answer = ByteBuffer(string: "HTTP/1.1 200 OK\r\n")
        guard self.method == "TRACE" else {
            answer.writeString("Content-Length: 0\r\n\(connection.field)\r\n")
            return answer
        }
        var echo = ByteBuffer()
        echo.writeString("TRACE http://\(self.target.authority)")
        if let path = self.target.path { echo.writeImmutableBuffer(path) }
        echo.writeString(" HTTP/1.\(self.minorVersion)\r\n")
        for field in self.fields where !Self.secret.contains(field.key) { echo.writeField(field) }
        echo.writeString("\r\n")
        answer.writeString("Content-Type: message/http\r\nContent-Length: \(echo.readableBytes)\r\n")
        answer.writeString("\(connection.field)\r\n")
        answer.writeImmutableBuffer(echo)
        return answer
    }

    /// What a page's script must not learn by asking for it back (RFC 9110, section 9.3.8).
    private static let secret: Set<String> = ["authorization", "proxy-authorization", "cookie"]
}
