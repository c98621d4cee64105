// SPDX-License-Identifier: Apache-2.0

/// One way that is measured, as a piece of configuration.
///
/// In the pieces, `{target}` stands for the port of the target, `{far}` for that of the path's own ``far`` inbound, `{relay}` for
/// that of its ``tunnel`` where it waits, `{raw}` for a port that was free, and `{keys}` for the folder of ``BenchFiles``.
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
    /// The keys of an inbound that dials ``tunnel`` from behind; nil where nobody does.
    var back: String?
    /// Whether the load generator talks to `{raw}`, which opens when ``back`` has come, and not to the inbound itself.
    var isRaw = false
    /// Whether the inbound is told the target by SOCKS5.
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
        .mproxy("mproxy", "visitor → mproxy ← device, ws", relay: "", device: #"relay: "ws://127.0.0.1:{relay}""#),
        .mproxy(
            "mproxy-tls", "visitor → mproxy ← device, wss",
            relay: ", tls: { cert: {keys}/localhost.crt, key: {keys}/localhost.key }",
            device: #"relay: "wss://localhost:{relay}", tls: { ca: {keys}/authority.crt }"#),
        .vproxy("vproxy", "forward → vproxy over kcp → target", "carrier: kcp"),
        .vproxy(
            "vproxy-key", "forward → vproxy over kcp, sealed → target", "carrier: kcp, key: {keys}/both.key"),
        .vproxy("vproxy-tcp", "forward → vproxy over tcp → target", "carrier: tcp"),
    ]

    private static func vproxy(_ name: String, _ title: String, _ carrier: String) -> BenchPath {
        BenchPath(
            name: name, title: title, far: #"type: vproxy, target: "127.0.0.1:{target}", \#(carrier)"#,
            tunnel: #"type: vproxy, server: "127.0.0.1:{far}", \#(carrier)"#, front: "type: forward")
    }

    /// A visitor of a raw port of a relay, who is taken to a device.
    private static func mproxy(_ name: String, _ title: String, relay: String, device: String) -> BenchPath {
        BenchPath(
            name: name, title: title,
            tunnel: #"type: mproxy, listen: "127.0.0.1:0", secretFile: {keys}/secret\#(relay)"#,
            front: "type: public, ports: {raw}",
            back:
                #"type: mproxy, \#(device), tokenFile: {keys}/\#(name).token, services: { "{raw}": "127.0.0.1:{target}" }"#,
            isRaw: true
        )
    }

    func route(front: UInt16?, target: UInt16) -> LoadRoute {
        guard let front else { return .plain(port: target) }
        return self.asks ? .socks5(port: front, target: target) : .plain(port: front)
    }
}
