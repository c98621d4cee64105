// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Testing
import WarrenRuntime
import WarrenTesting

@testable import WarrenAssembly
@testable import WarrenDemo

/// Tunnels in which the far end dials, in TLS and in WebSockets over TLS, all in this process.
@Suite(.timeLimit(.minutes(1))) struct DialledTLSTests {
    private let folder: TemporaryFolder
    private let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton

    init() throws {
        self.folder = try TemporaryFolder()
        TestCertificates.write(to: self.folder)
        self.folder.write("other.pem", TestCertificates.otherAuthority)
    }

    private func fetch(_ path: (UInt16) throws -> DemoPath, from origin: any Channel) async throws {
        let client = DemoClient(group: self.group)
        for count in [1, 3_000_000] {
            _ = try await client.fetch(count, over: path(UInt16(origin.localAddress?.port ?? 0)))
        }
        try await origin.close()
    }

    @Test("two peers meet at a relay over TLS", arguments: ["tls", "tcp"]) func meet(scheme: String) async throws {
        let origin = try await Origin.start(on: self.group)
        let relay = """
            relays:
              - name: meet
                type: jet
                listen: ["tls://127.0.0.1:0", "tcp://127.0.0.1:0"]
                instance: localhost
                tls: { cert: cert.pem, key: key.pem }
            """
        try await withNode(relay, in: self.folder.path) { ports, _ in
            // One end is always in TLS, the other one as asked.
            let secure = "tls://localhost:\(ports["meet"]?.port ?? 0)"
            let other = scheme == "tls" ? secure : "tcp://localhost:\(ports["meet.2"]?.port ?? 0)"
            let clients = """
                inbounds:
                  - name: device
                    type: jet
                    relay: "\(secure)"
                    tls: { ca: ca.pem }
                    target: "127.0.0.1:\(origin.localAddress?.port ?? 0)"
                    repeat: true
                    announce: at
                  - { name: front, type: forward, listen: "127.0.0.1:0", to: device }
                outbounds:
                  - { name: device, type: jet, relay: "\(other)", tls: { ca: ca.pem }, associationFile: at }
                """
            try await withNode(clients, in: self.folder.path) { fronts, _ in
                let front = try #require(fronts["front"])
                try await self.fetch({ _ in DemoPath("jet", "test", front: front) }, from: origin)
            }
        }
    }

    @Test("two peers meet as WebSockets over TLS") func webSockets() async throws {
        let origin = try await Origin.start(on: self.group)
        let relay = """
            relays:
              - { name: meet, type: jet, listen: "wss://127.0.0.1:0", instance: localhost, tls: { cert: cert.pem, key: key.pem } }
            """
        try await withNode(relay, in: self.folder.path) { ports, _ in
            let port = ports["meet"]?.port ?? 0
            let ids = try await self.gather(port)
            let keys =
                "relay: \"wss://localhost:\(port)\", tls: { ca: ca.pem }, association: \(ids.0), candidate: \(ids.1)"
            let target = "127.0.0.1:\(origin.localAddress?.port ?? 0)"
            let clients = """
                inbounds:
                  - { name: device, type: jet, target: "\(target)", repeat: true, \(keys) }
                  - { name: front, type: forward, listen: "127.0.0.1:0", to: device }
                outbounds: [{ name: device, type: jet, \(keys) }]
                """
            try await withNode(clients, in: self.folder.path) { fronts, _ in
                let front = try #require(fronts["front"])
                _ = try await DemoClient(group: self.group).fetch(
                    3_000_000, over: DemoPath("jet", "test", front: front))
            }
        }
        try await origin.close()
    }

    /// Calls for an association over TLS; the demo's client checks no JSON, so this one speaks for itself.
    private func gather(_ port: Int) async throws -> (String, String) {
        let association = "e6ec698c-5793-4c63-af79-bd644ccf022f"
        let settings = """
            inbounds: [{ name: plain, type: forward, listen: "127.0.0.1:0", target: "localhost:\(port)" }]
            """
        var answer = ""
        try await withNode(settings, in: self.folder.path) { fronts, _ in
            let front = try #require(fronts["plain"])
            answer = try await TLSCall(authority: "\(self.folder.path)/ca.pem").post(
                "/jet/association/\(association)/candidates", at: front, on: self.group)
        }
        let candidate = try #require(answer.firstMatch(of: /"candidates":\[\{"id":"([0-9a-f-]{36})"/)?.output.1)
        return (association, String(candidate))
    }

    @Test("an exit reaches its inter-server over TLS, and only over the right one", arguments: ["ca.pem", "other.pem"])
    func exit(authority: String) async throws {
        let origin = try await Origin.start(on: self.group)
        let inter = """
            inbounds: [{ name: front, type: socks5, listen: "127.0.0.1:0", to: exits }]
            outbounds:
              - { name: exits, type: zhwkprox, listen: "127.0.0.1:0", tls: { cert: cert.pem, key: key.pem } }
            """
        try await withNode(inter, in: self.folder.path) { ports, log in
            let exit = """
                inbounds: [{ name: exit, type: zhwkprox, dial: "localhost:\(ports["exits"]?.port ?? 0)", tls: { ca: \(authority) } }]
                egress: { allow: [loopback] }
                """
            try await withNode(exit, in: self.folder.path) { _, log in
                guard authority == "ca.pem" else {
                    let line = await log.next("tunnel not up")
                    return #expect(line?.contains("the certificate of the peer is not trusted") == true)
                }
                let front = try #require(ports["front"])
                try await self.fetch({ .socks5("zhwkprox", "test", front: front, port: $0) }, from: origin)
            }
        }
    }
}
