// SPDX-License-Identifier: Apache-2.0

/// One way that is measured, as a piece of configuration.
///
/// In the pieces, `{target}` stands for the port of the target, `{far}` for that of the path's own ``far`` inbound, and
/// `{keys}` for a folder with `key.dat` and `users` of jProxy.
struct BenchPath: Sendable {
    /// What `--only` calls it.
    let name: String
    let title: String
    /// The keys of an inbound at the far end of a tunnel; nil where there is no tunnel.
    var far: String?
    /// The keys of the outbound that leads to it.
    var tunnel: String?
    /// The keys of the inbound that the load generator talks to; nil where it talks to the target itself.
    var front: String?
    /// Whether the front is told the target by SOCKS5.
    var asks = false

    /// A new protocol is one entry here.
    static let all: [BenchPath] = [
        BenchPath(name: "direct", title: "direct, no proxy"),
        BenchPath(name: "forward", title: "forward", front: #"type: forward, target: "127.0.0.1:{target}""#),
        BenchPath(name: "socks5", title: "socks5 → direct", front: "type: socks5", asks: true),
        BenchPath(
            name: "jproxy", title: "socks5 → jproxy → direct", far: "type: jproxy, users: {keys}/users",
            tunnel: #"type: jproxy, server: "127.0.0.1:{far}", key: {keys}/key.dat"#, front: "type: socks5", asks: true
        ),
    ]

    func route(front: UInt16?, target: UInt16) -> LoadRoute {
        guard let front else { return .plain(port: target) }
        return self.asks ? .socks5(port: front, target: target) : .plain(port: front)
    }
}
