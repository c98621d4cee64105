// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Testing
import WarrenRuntime
import WarrenTesting

@testable import WarrenAssembly
@testable import WarrenDemo

/// A jProxy tunnel over TLS, both ends in this process, and an origin behind it.
@Suite("jProxy over TLS", .timeLimit(.minutes(1))) struct TLSTests {
    private let folder: TemporaryFolder
    private let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton

    init() throws {
        self.folder = try TemporaryFolder()
        try JProxyKeys.write(name: "alice", to: self.folder.path)
        self.folder.write("cert.pem", TestCertificates.certificate)
        self.folder.write("key.pem", TestCertificates.key)
        self.folder.write("ca.pem", TestCertificates.authority)
        self.folder.write("other.pem", TestCertificates.otherAuthority)
        self.folder.write("cert2.pem", TestCertificates.otherCertificate)
        self.folder.write("key2.pem", TestCertificates.otherKey)
    }

    private func server(certificate: String = "cert.pem", key: String = "key.pem") -> String {
        """
        inbounds:
          - name: tunnel
            type: jproxy
            listen: 127.0.0.1:0
            users: users
            tls: { cert: \(certificate), key: \(key) }
        egress: { allow: [loopback] }
        """
    }

    private func client(_ port: Int?, host: String = "localhost", tls: String) -> String {
        """
        inbounds:
          - { name: front, type: socks5, listen: "127.0.0.1:0", to: far }
        outbounds:
          - { name: far, type: jproxy, server: "\(host):\(port ?? 0)", key: key.dat, tls: \(tls) }
        """
    }

    /// Fetches through the inbound; the bytes are checked on the way.
    private func fetch(_ count: Int, over front: SocketAddress?) async throws {
        let origin = try await Origin.start(on: self.group)
        let path = DemoPath.socks5(
            "jproxy", "test", front: try #require(front), port: UInt16(origin.localAddress?.port ?? 0)
        )
        _ = try await DemoClient(group: self.group).fetch(count, over: path)
        try await origin.close()
    }

    @Test(
        "a verified tunnel carries every byte",
        arguments: [
            ("localhost", "{ ca: ca.pem }"), ("127.0.0.1", "{ ca: ca.pem, serverName: localhost }"),
            ("127.0.0.1", "{ ca: ca.pem }"),
        ]
    )
    func verified(host: String, tls: String) async throws {
        try await withNode(self.server(), in: self.folder.path) { server, _ in
            let yaml = self.client(server["tunnel"]?.port, host: host, tls: tls)
            try await withNode(yaml, in: self.folder.path) { front, log in
                try await self.fetch(3_000_000, over: front["front"])
                #expect(log.lines.contains { $0.contains("tunnel up") })
            }
        }
    }

    @Test(
        "a tunnel to somebody else never comes up, and says why",
        arguments: ["{ ca: ca.pem }", "true", "{ ca: other.pem, serverName: example.net }"]
    )
    func refused(tls: String) async throws {
        let yaml = self.server(certificate: "cert2.pem", key: "key2.pem")
        try await withNode(yaml, in: self.folder.path) { server, _ in
            let yaml = self.client(server["tunnel"]?.port, tls: tls)
            try await withNode(yaml, in: self.folder.path) { front, log in
                await #expect(throws: (any Error).self) { try await self.fetch(1, over: front["front"]) }
                #expect(!log.lines.contains { $0.contains("tunnel up") })
                let line = try #require(log.lines.first { $0.contains("tunnel not up") })
                #expect(line.contains("warning"))
                #expect(line.lowercased().contains("certificate"))
            }
        }
    }

    @Test func withoutVerificationEverybodyIsTrusted() async throws {
        try await withNode(self.server(), in: self.folder.path) { server, _ in
            let yaml = self.client(server["tunnel"]?.port, tls: "{ verify: false }")
            try await withNode(yaml, in: self.folder.path) { front, _ in
                try await self.fetch(100_000, over: front["front"])
            }
        }
    }

    @Test func aClientWithoutTLSGetsNowhere() async throws {
        try await withNode(self.server(), in: self.folder.path) { server, _ in
            let yaml = self.client(server["tunnel"]?.port, tls: "false")
            try await withNode(yaml, in: self.folder.path) { front, log in
                await #expect(throws: (any Error).self) { try await self.fetch(1, over: front["front"]) }
                #expect(log.lines.contains { $0.contains("tunnel not up") })
            }
        }
    }

    @Test("a new certificate is shown without a restart, and a damaged one is not taken")
    func reload() async throws {
        // Trusts the authority of the second certificate only, so that it tells them apart.
        let tls = "{ ca: other.pem }"
        try await withNode(self.server(), in: self.folder.path) { server, serverLog in
            let port = server["tunnel"]?.port
            try await withNode(self.client(port, tls: tls), in: self.folder.path) { front, log in
                await #expect(throws: (any Error).self) { try await self.fetch(1, over: front["front"]) }
                self.folder.write("cert.pem", "damaged")
                let kept = await serverLog.next("stay in use")
                #expect(kept?.contains("warning") == true)
                #expect(kept?.split(separator: "\n").count == 1)
                self.folder.write("cert.pem", TestCertificates.otherCertificate)
                self.folder.write("key.pem", TestCertificates.otherKey)
                _ = await serverLog.next("read changed files again")
                _ = await log.next("tunnel up")
                try await self.fetch(100_000, over: front["front"])
            }
        }
    }
}
