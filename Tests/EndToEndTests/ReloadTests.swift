// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

@testable import Warren

@Suite(.timeLimit(.minutes(2))) struct ReloadTests {
    private static func yaml(_ echo: Int, front: Int, more: String = "", limits: String = "") -> String {
        """
        admin: { listen: "unix:admin.sock" }
        inbounds:
          - { name: kept, type: forward, listen: "127.0.0.1:0", target: "127.0.0.1:\(echo)"\(limits) }
          - { name: front, type: mixed, listen: "127.0.0.1:\(front)" }
        \(more)
        egress: { allow: [loopback] }
        drain: 0s
        """
    }

    private static func echoes(_ wire: Wire, _ text: String) async throws -> Bool {
        try await wire.send(ByteBuffer(string: text))
        return try await wire.read(text.utf8.count) == ByteBuffer(string: text)
    }

    private func ask(_ words: String..., in folder: Folder) async throws -> Program.Outcome {
        try await Program.run(
            WarrenProcess.executable, words + ["--admin", "unix:\(folder.path)/admin.sock"], in: folder.path,
            environment: [:])
    }

    @Test("what changes is exchanged; streams of everything else see nothing of it")
    func exchanges() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let warren = try await WarrenProcess.start(yaml: Self.yaml(echo.port, front: 0), in: folder)
        let kept = try await Wire.connect(to: warren.address("kept"))
        #expect(try await Self.echoes(kept, "before"))
        let leaving = try await Wire.socks5(warren.address("front"), to: echo.port)
        #expect(try await Self.echoes(leaving, "leaving"))

        // Another kind on a port of its own: the old one ends, as its drain is nothing.
        folder.write("warren.yaml", Self.yaml(echo.port, front: 0).replacing("type: mixed", with: "type: socks5"))
        let outcome = try await self.ask("reload", in: folder)
        #expect(outcome.code == 0 && outcome.output.contains("changed inbound front, 1 stream"), "\(outcome)")
        #expect(outcome.output.contains("units stay as they are"))
        #expect(try await leaving.readToEnd().end == .reset)
        #expect(try await Self.echoes(kept, "after"))
        // The port stayed open all the time.
        let next = try await Wire.socks5(warren.address("front"), to: echo.port)
        #expect(try await Self.echoes(next, "next"))

        folder.write("warren.yaml", Self.yaml(echo.port, front: 0, more: "relay: 1"))
        let refused = try await self.ask("reload", in: folder)
        #expect(refused.code == 1 && refused.errors.contains("unknown key \"relay\""), "\(refused)")
        #expect(try await Self.echoes(next, "still"))

        folder.write(
            "warren.yaml", Self.yaml(echo.port, front: 0).replacing("- { name: front", with: "- { name: other"))
        warren.program.signal(SIGHUP)
        #expect(await warren.program.errors.line(with: "configuration applied")?.contains("front") == true)
        #expect(await warren.program.errors.line(with: "listening inbound=other") != nil)
        #expect(try await Self.echoes(kept, "at last"))
        for wire in [kept, next] { wire.close() }
        await warren.stop()
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/admin.sock"))
        try await echo.stop()
    }

    @Test("a port that cannot be had leaves everything as it was")
    func isAllOrNothing() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let warren = try await WarrenProcess.start(yaml: Self.yaml(echo.port, front: 0), in: folder)
        let more = "  - { name: taken, type: mixed, listen: \"127.0.0.1:\(echo.port)\" }"
        folder.write("warren.yaml", Self.yaml(echo.port, front: 0).replacing("egress:", with: "\(more)\negress:"))
        let outcome = try await self.ask("reload", in: folder)
        #expect(outcome.code == 1 && outcome.errors.contains("taken: cannot listen"), "\(outcome)")
        let status = try await self.ask("status", "--json", in: folder)
        #expect(status.output.contains("\"name\":\"front\"") && !status.output.contains("taken"))
        let wire = try await Wire.connect(to: warren.address("kept"))
        #expect(try await Self.echoes(wire, "well"))
        wire.close()
        await warren.stop()
        try await echo.stop()
    }

    @Test("what lives is shown, and ended when asked")
    func showsAndKills() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let warren = try await WarrenProcess.start(yaml: Self.yaml(echo.port, front: 0), in: folder)
        let wire = try await Wire.connect(to: warren.address("kept"))
        #expect(try await Self.echoes(wire, "hello"))
        let json = try await self.ask("status", "--json", in: folder).output
        let status = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let streams = try #require(status["streams"] as? [[String: Any]])
        let stream = try #require(streams.first)
        #expect(streams.count == 1)
        #expect(stream["inbound"] as? String == "kept" && stream["outbound"] as? String == "direct")
        #expect(stream["bytesIn"] as? Int == 5 && stream["bytesOut"] as? Int == 5)
        #expect(stream["waitsIn"] as? String == "writer")
        let id = try #require(stream["id"] as? String)
        #expect(try await self.ask("status", in: folder).output.contains("127.0.0.1:\(echo.port)"))
        #expect(try await self.ask("kill", id, in: folder).code == 0)
        #expect(try await wire.readToEnd().end == .reset)
        let again = try await self.ask("kill", id, in: folder)
        #expect(again.code == 1 && again.errors.contains("is alive"))
        let diff = try await Program.run(
            WarrenProcess.executable, ["check", "-c", "warren.yaml", "--diff", "--running"], in: folder.path,
            environment: [:])
        #expect(diff.code == 0 && diff.output.contains("nothing changes"), "\(diff)")
        await warren.stop()
        try await echo.stop()
    }

    @Test("who is over a limit is refused, and a rate holds in both directions")
    func limits() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let limits = ", limits: { streams: 1, up: 2MiB, down: 2MiB }"
        let warren = try await WarrenProcess.start(
            yaml: Self.yaml(echo.port, front: 0, limits: limits), in: folder)
        let wire = try await Wire.connect(to: warren.address("kept"))
        #expect(try await Self.echoes(wire, "first"))
        do {
            let second = try await Wire.connect(to: warren.address("kept"))
            #expect(try await second.readToEnd().end == .reset)
        } catch let error as IOError where error.errnoCode == ECONNRESET {
            // The reset may be there before the client has looked at its connection.
        }
        #expect(await warren.program.errors.line(with: "reason=\"limit reached\"")?.contains("inbound=kept") == true)
        let started = ContinuousClock.now
        let bytes = ByteBuffer(repeating: 7, count: 2 << 20)
        async let sent: Void = wire.send(bytes)
        #expect(try await wire.read(bytes.readableBytes) == bytes)
        try await sent
        // At the least: nothing here is slower than a machine may be.
        #expect(ContinuousClock.now - started > .milliseconds(700))
        // Who has more from now on need not come again.
        folder.write("warren.yaml", Self.yaml(echo.port, front: 0, limits: ", limits: { streams: 2 }"))
        #expect(try await self.ask("reload", in: folder).code == 0)
        let third = try await Wire.connect(to: warren.address("kept"))
        #expect(try await Self.echoes(third, "third"))
        #expect(try await Self.echoes(wire, "first"))
        for wire in [wire, third] { wire.close() }
        await warren.stop()
        try await echo.stop()
    }
}
