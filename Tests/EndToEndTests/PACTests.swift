// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

/// The file for browsers, as a real process serves it.
@Suite(.timeLimit(.minutes(1))) struct PACTests {
    private static func get(_ path: String, from warren: WarrenProcess, host: String) async throws -> String {
        let wire = try await Wire.connect(to: warren.address("browser.pac"))
        try await wire.send(ByteBuffer(string: "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n"))
        return String(buffer: try await wire.readToEnd().bytes)
    }

    private static func yaml(_ routes: String) -> String {
        """
        admin: { listen: "unix:admin.sock" }
        inbounds:
          - { name: browser, type: mixed, listen: ":0", pac: { listen: "127.0.0.1:0", proxy: "proxy.test:1080" } }
        outbounds: [{ name: office, type: socks5, server: "127.0.0.1:1" }]
        routes:
          - \(routes)
        """
    }

    @Test("the file follows the routes, also those of a reload, on a port that stays")
    func followsRoutes() async throws {
        let folder = try Folder()
        let warren = try await WarrenProcess.start(
            yaml: Self.yaml("{ host: a.test, to: office }"), in: folder)
        for path in ["/proxy.pac", "/wpad.dat", "/", "/proxy.pac?x=1"] {
            let answer = try await Self.get(path, from: warren, host: "127.0.0.1:8090")
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(answer.contains("Content-Type: application/x-ns-proxy-autoconfig\r\n"))
            #expect(answer.contains("X-Content-Type-Options: nosniff\r\n"))
            let way = "\"SOCKS5 proxy.test:1080; PROXY proxy.test:1080\""
            #expect(answer.contains("if (shExpMatch(host, \"a.test\")) return \(way);"))
            #expect(answer.contains("if (true) return \"DIRECT\";"))
        }
        let address = try warren.address("browser.pac")
        folder.write("warren.yaml", Self.yaml("{ host: b.test, to: office }"))
        let outcome = try await Program.run(
            WarrenProcess.executable, ["reload", "--admin", "unix:\(folder.path)/admin.sock"], in: folder.path,
            environment: [:])
        #expect(outcome.code == 0, "\(outcome)")
        #expect(try warren.address("browser.pac") == address)
        let answer = try await Self.get("/proxy.pac", from: warren, host: "127.0.0.1:8090")
        #expect(answer.contains("\"b.test\"") && !answer.contains("\"a.test\""))
        await warren.stop()
    }

    @Test(
        "other paths, methods and hosts that are none get an answer and no file",
        arguments: [
            ("GET /etc HTTP/1.1\r\nHost: a\r\n", "404"), ("POST / HTTP/1.1\r\nHost: a\r\n", "405"),
            ("GET / HTTP/1.1\r\nHost: \"; alert(1)\r\n", "400"), ("GET / HTTP/1.1\r\nHost: [::1\r\n", "400"),
        ])
    func refuses(request: String, status: String) async throws {
        let warren = try await WarrenProcess.start(yaml: Self.yaml("{ host: a.test, to: office }"), in: try Folder())
        let wire = try await Wire.connect(to: warren.address("browser.pac"))
        try await wire.send(ByteBuffer(string: request + "Connection: close\r\n\r\n"))
        let answer = String(buffer: try await wire.readToEnd().bytes)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) ") && !answer.contains("FindProxy"), "\(answer)")
        await warren.stop()
    }

    @Test("an inbound on all addresses is named as the browser has asked")
    func namesWhoWasAsked() async throws {
        let yaml = """
            inbounds:
              - { name: browser, type: http, listen: "0.0.0.0:\(try await Server.freePort())", pac: { listen: "127.0.0.1:0" } }
            outbounds: [{ name: office, type: socks5, server: "127.0.0.1:1" }]
            routes: [{ host: a.test, to: office }]
            """
        let warren = try await WarrenProcess.start(yaml: yaml, in: try Folder())
        let port = try warren.port("browser")
        for (asked, named) in [("gate.test:8090", "gate.test"), ("[::1]:8090", "[::1]"), ("192.0.2.1", "192.0.2.1")] {
            let answer = try await Self.get("/proxy.pac", from: warren, host: asked)
            #expect(answer.contains("\"PROXY \(named):\(port)\""), "\(answer)")
        }
        await warren.stop()
    }
}
