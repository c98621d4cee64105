// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Testing
import WarrenRuntime
import WarrenTesting

@testable import WarrenAssembly
@testable import WarrenDemo

/// TLS within tunnels and behind proxies: the certificate is judged for the server, not for whoever leads to it.
@Suite(.timeLimit(.minutes(1))) struct ChainTLSTests {
    private let folder: TemporaryFolder
    private let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton

    init() throws {
        self.folder = try TemporaryFolder()
        TestCertificates.write(to: self.folder)
        try JProxyKeys.write(name: "alice", to: self.folder.path)
    }

    private static let far = """
        inbounds:
          - { name: proxy, type: mixed, listen: "127.0.0.1:0" }
          - { name: plain, type: jproxy, listen: "127.0.0.1:0", users: users }
          - { name: secret, type: jproxy, listen: "0.0.0.0:0", users: users, tls: { cert: cert.pem, key: key.pem } }
          - { name: web, type: http, listen: "127.0.0.1:0", tls: { cert: cert.pem, key: key.pem } }
        egress: { allow: [loopback] }
        """

    private static func near(_ ports: [String: SocketAddress], _ host: String, _ through: String) -> String {
        let port = { (name: String) in "\(ports[name]?.port ?? 0)" }
        return """
            inbounds:
              - { name: http, type: mixed, listen: "127.0.0.1:0", to: http }
              - { name: jproxy, type: mixed, listen: "127.0.0.1:0", to: jproxy }
            outbounds:
              - { name: proxy, type: socks5, server: "127.0.0.1:\(port("proxy"))" }
              - { name: plain, type: jproxy, server: "127.0.0.1:\(port("plain"))", key: key.dat }
              - { name: secret, type: jproxy, server: "localhost:\(port("secret"))", key: key.dat, tls: { ca: ca.pem } }
              - { name: http, type: http, server: "\(host):\(port("web"))", tls: { ca: ca.pem }, through: \(through) }
              - { name: jproxy, type: jproxy, server: "\(host):\(port("secret"))", key: key.dat, tls: { ca: ca.pem },
                  through: \(through) }
            """
    }

    @Test(
        "a certificate is judged for the server", arguments: ["127.0.0.1", "localhost"], ["proxy", "plain", "secret"])
    func judges(host: String, through: String) async throws {
        let origin = try await Origin.start(on: self.group)
        try await withNode(Self.far, in: self.folder.path) { ports, _ in
            try await withNode(Self.near(ports, host, through), in: self.folder.path) { fronts, _ in
                for name in ["http", "jproxy"] {
                    let front = try #require(fronts[name])
                    let port = UInt16(origin.localAddress?.port ?? 0)
                    let path = DemoPath.socks5("test", name, front: front, port: port)
                    _ = try await DemoClient(group: self.group).fetch(300_000, over: path)
                }
            }
        }
        try await origin.close()
    }

    @Test("that of a proxy on the way proves nothing, though its address stands in it")
    func judgesTheServerAlone() async throws {
        try await withNode(Self.far, in: self.folder.path) { ports, _ in
            let yaml = Self.near(ports, "127.0.0.2", "proxy")
            try await withNode(yaml, in: self.folder.path) { _, log in
                let line = await log.next("tunnel not up")
                #expect(line?.contains("the certificate") == true, "\(line ?? "nothing")")
            }
        }
    }
}
