// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One way from the client to the origin, and what a client says to go that way.
struct DemoPath: Sendable {
    /// Something to say before the request, and what must come back.
    struct Step: Sendable {
        enum Answer: Sendable {
            case bytes(count: Int, prefix: [UInt8])
            case head(prefix: String)
        }
        let say: [UInt8]
        let answer: Answer
    }

    /// One of ``Demo/protocols``.
    let kind: String
    let name: String
    /// Where the client connects.
    let front: SocketAddress
    let steps: [Step]
    /// What stands between `GET ` and `/N`: empty, or the origin for a proxy request.
    let prefix: String
    /// What the request calls the origin.
    let host: String

    init(
        _ kind: String, _ name: String, front: SocketAddress, steps: [Step] = [], prefix: String = "",
        host: String = "localhost"
    ) {
        self.kind = kind
        self.name = name
        self.front = front
        self.steps = steps
        self.prefix = prefix
        self.host = host
    }

    static func socks4a(_ kind: String, _ name: String, front: SocketAddress, port: UInt16) -> DemoPath {
        let head: [UInt8] = [4, 1, UInt8(port >> 8), UInt8(port & 0xFF), 0, 0, 0, 1, 0]
        let request = head + Array("localhost".utf8) + [0]
        let step = Step(say: request, answer: .bytes(count: 8, prefix: [0, 0x5A]))
        return DemoPath(kind, name, front: front, steps: [step])
    }

    static func socks5(_ kind: String, _ name: String, front: SocketAddress, port: UInt16) -> DemoPath {
        let host = Array("localhost".utf8)
        let request: [UInt8] = [5, 1, 0, 3, UInt8(host.count)] + host + [UInt8(port >> 8), UInt8(port & 0xFF)]
        return DemoPath(
            kind, name, front: front,
            steps: [
                Step(say: [5, 1, 0], answer: .bytes(count: 2, prefix: [5, 0])),
                Step(say: request, answer: .bytes(count: 10, prefix: [5, 0])),
            ]
        )
    }

    static func httpConnect(_ kind: String, _ name: String, front: SocketAddress, port: UInt16) -> DemoPath {
        let request = Array("CONNECT localhost:\(port) HTTP/1.1\r\nHost: localhost:\(port)\r\n\r\n".utf8)
        return DemoPath(kind, name, front: front, steps: [Step(say: request, answer: .head(prefix: "HTTP/1.1 200 "))])
    }

    static func httpAbsolute(_ kind: String, _ name: String, front: SocketAddress, port: UInt16) -> DemoPath {
        DemoPath(kind, name, front: front, prefix: "http://localhost:\(port)")
    }
}
