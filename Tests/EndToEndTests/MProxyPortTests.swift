// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// One port of a relay for its devices and for visitors.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MProxyPortTests {
    private static func yaml(_ raw: Int, tls: String = "", http: String = "pass", mode: String = "auto") -> String {
        """
        log: { level: debug }
        inbounds:
          - { name: all, type: public, listen: "127.0.0.1:0", to: devices, http: \(http), mode: \(mode) }
        outbounds:
          - { name: devices, type: mproxy, sharedWith: all, secretFile: secret, host: [relay.test, localhost]\(tls) }
        """
    }

    private static func secure(_ folder: String) -> String {
        ", tls: { cert: \(folder)/localhost.crt, key: \(folder)/localhost.key }"
    }

    @Test(
        "a device by wss, visitors by SNI and visitors by Host come to one port",
        .enabled(if: Curl.isThere, Comment(rawValue: Curl.absence)))
    func onePort() async throws {
        let relay = try await PublicRelay.start { raw, folder in Self.yaml(raw, tls: Self.secure(folder)) }
        let page = try await Server.page("hello")
        let folder = relay.folder.path
        let port = try relay.process.port("all")
        try await relay.token("dev", "--name", "dev.test")
        let service = """
            dev.test: { target: "127.0.0.1:\(page.port)", tls: { cert: \(folder)/localhost.crt, key: \(folder)/localhost.key } }
            """
        let device = try await relay.device(
            serving: service, scheme: "wss://localhost", keys: ", tls: { ca: \(folder)/authority.crt }", at: "all")
        let over = ["--cacert", "\(folder)/authority.crt", "--resolve", "dev.test:\(port):127.0.0.1"]
        let secret = try await Curl.run(over + ["https://dev.test:\(port)/"])
        #expect(secret.output == "hello", "\(secret.errors)")
        let plain = try await Curl.run(over + ["http://dev.test:\(port)/"])
        #expect(plain.output == "hello", "\(plain.errors)")
        // The relay's own name has its TLS, and an answer of its own.
        let own = try await Curl.run([
            "--cacert", "\(folder)/authority.crt", "https://localhost:\(port)/_apis/telebit.cloud/index.json",
        ])
        #expect(own.output.contains(#""api_host":"relay.test""#), "\(own.errors)")
        let unknown = try await Curl.run(["-k", "--resolve", "no.test:\(port):127.0.0.1", "https://no.test:\(port)/"])
        #expect(unknown.code != 0 && unknown.output.isEmpty)
        await device.stop()
        await relay.process.stop()
    }

    @Test func withoutTLSTheHostTellsDevicesFromVisitors() async throws {
        let relay = try await PublicRelay.start { raw, _ in Self.yaml(raw) }
        let page = try await Server.page("hello")
        try await relay.token("dev", "--name", "dev.test")
        let device = try await relay.device(
            serving: "dev.test: \"127.0.0.1:\(page.port)\"", scheme: "ws://localhost", at: "all")
        #expect(try await relay.ask("dev.test", at: "all").hasSuffix("hello"))
        #expect(try await relay.ask("other.test", at: "all").hasPrefix("HTTP/1.1 404 "))
        await device.stop()
        await relay.process.stop()
    }

    @Test func aReloadKeepsThePortAndItsDevice() async throws {
        let relay = try await PublicRelay.start { raw, folder in Self.yaml(raw, tls: Self.secure(folder)) }
        let page = try await Server.page("hello")
        let folder = relay.folder.path
        try await relay.token("dev", "--name", "dev.test")
        let device = try await relay.device(
            serving: "dev.test: \"127.0.0.1:\(page.port)\"", scheme: "wss://localhost",
            keys: ", tls: { ca: \(folder)/authority.crt }", at: "all")
        #expect(try await relay.ask("dev.test", at: "all").hasSuffix("hello"))
        relay.folder.write("relay.yaml", Self.yaml(relay.raw, tls: Self.secure(folder), http: "redirect"))
        relay.process.program.signal(SIGHUP)
        _ = await relay.process.program.errors.line(with: "listening inbound=all", number: 2)
        // The device's tunnel belongs to the outbound, which stays.
        #expect(try await relay.ask("dev.test", at: "all").hasPrefix("HTTP/1.1 308 "))
        relay.folder.write("relay.yaml", Self.yaml(relay.raw, tls: Self.secure(folder) + ", duplicates: reject"))
        relay.process.program.signal(SIGHUP)
        _ = await device.program.errors.line(with: "tunnel up", number: 2)
        #expect(try await relay.ask("dev.test", at: "all").hasSuffix("hello"))
        await device.stop()
        await relay.process.stop()
    }
}
