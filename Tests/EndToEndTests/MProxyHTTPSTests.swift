// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Real clients of a site behind a device: TLS passes through the relay, and what the two speak inside it is theirs.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: SecureSite.isThere, Comment(rawValue: SecureSite.absence)))
struct MProxyHTTPSTests {
    private struct Rig: Sendable {
        let relay: PublicRelay
        let device: WarrenProcess
        let site: SecureSite
        let url: String

        static func start() async throws -> Rig {
            let relay = try await PublicRelay.start()
            // Its certificate, which is one for dev.test, too.
            let site = try await SecureSite.start("localhost", in: relay.folder)
            try await relay.token("dev", "--name", "dev.test")
            let device = try await relay.device(serving: "dev.test: \"127.0.0.1:\(site.port)\"")
            let url = "https://dev.test:\(try relay.process.port("visitors"))"
            return Rig(relay: relay, device: device, site: site, url: url)
        }

        func curl(_ arguments: String...) async throws -> Program.Outcome {
            let port = try self.relay.process.port("visitors")
            return try await Curl.run(["--http2", "--resolve", "dev.test:\(port):127.0.0.1"] + arguments)
        }

        func stop() async {
            await self.device.stop()
            await self.relay.process.stop()
            await self.site.stop()
        }
    }

    @Test(
        "curl asks for 50 parts at once over one connection of HTTP/2, and trusts the device's certificate",
        .enabled("there is no curl with HTTP/2 on this machine") { await Curl.speaksHTTP2 })
    func curl() async throws {
        let rig = try await Rig.start()
        let folder = rig.relay.folder.path
        let outcome = try await rig.curl(
            "--cacert", "\(folder)/authority.crt", "--parallel", "--parallel-max", "50", "-o", "\(folder)/part#1",
            "-w", "%{http_version} %{http_code} %header{x-connection}\\n", "\(rig.url)/part/[1-50]")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.count == 50 && Set(lines) == ["2 200 1"], "\(outcome.output)")
        for number in 1...50 {
            let file = URL(filePath: "\(folder)/part\(number)")
            #expect(try Data(contentsOf: file) == SecureSite.part(number), "\(number)")
        }
        // Whoever does not know the authority of the device is not served by anybody else either.
        #expect(try await rig.curl("\(rig.url)/").code == 60)
        await rig.stop()
    }

    @Test(
        "Chromium shows a page and 50 parts of it over HTTP/2, and its WebSocket hears its own words",
        .enabled(Comment(rawValue: Chromium.absence)) { await Chromium.runs })
    func chromium() async throws {
        let rig = try await Rig.start()
        let outcome = try await Chromium.visit("\(rig.url)/", key: rig.site.key, name: "dev.test")
        let said = outcome.output.components(separatedBy: "<pre>").last?.components(separatedBy: "</pre>").first
        let words = String(repeating: "words", count: 20)
        #expect(
            said == "parts=50 connections=1\nprotocols=h2\necho=\(words)\n",
            "\(outcome.code), \(outcome.output.suffix(3000)), \(outcome.errors.suffix(1000))")
        await rig.stop()
    }
}
