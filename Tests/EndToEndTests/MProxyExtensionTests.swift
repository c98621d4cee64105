// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// Windows and half-close between two Warrens, as two real processes; and what a peer sees that knows nothing of them.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MProxyExtensionTests {
    /// A relay and a device that serves the relay's raw port by a target.
    private struct Rig: Sendable {
        let relay: PublicRelay
        let device: WarrenProcess

        static func start(target: Int, relay keys: String = "", device others: String = "") async throws -> Rig {
            let relay = try await PublicRelay.start(keys: keys)
            try await relay.token("dev", "--port", "\(relay.raw)")
            let device = try await relay.device(serving: "\"\(relay.raw)\": \"127.0.0.1:\(target)\"", keys: others)
            return Rig(relay: relay, device: device)
        }

        var processes: [(name: String, process: WarrenProcess)] {
            [("relay", self.relay.process), ("device", self.device)]
        }

        /// Of both, by name; nothing where the system does not tell.
        var residentMebibytes: [String: Int] {
            self.processes.reduce(into: [:]) { $0[$1.name] = $1.process.program.residentMebibytes }
        }

        func stop() async {
            await self.device.stop()
            await self.relay.process.stop()
        }
    }

    @Test("100 visitors that half-close still hear the whole answer to everything that they said")
    func visitorsHalfClose() async throws {
        let target = try await Server.patient()
        let rig = try await Rig.start(target: target.port)
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in UInt64(0)..<100 {
                tasks.addTask {
                    try await Exchange.halfClosed(seed, over: rig.relay.visitor())
                }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await rig.stop()
        try await target.stop()
    }

    @Test(
        "without the extension at one end, a target never hears that its visitor has finished",
        arguments: [true, false])
    func withoutIt(isRelays: Bool) async throws {
        let target = try await Server.patient()
        let rig = try await Rig.start(
            target: target.port, relay: ", linger: 300ms" + (isRelays ? ", extension: off" : ""),
            device: isRelays ? "" : ", extension: off")
        let wire = try await rig.relay.visitor()
        try await wire.send("words")
        try await wire.finish()
        #expect(try await wire.readToEnd().bytes.readableBytes == 0)
        wire.close()
        await rig.stop()
        try await target.stop()
    }

    @Test("a target that half-closes still hears everything that its visitor says") func targetHalfCloses() async throws
    {
        let heard = Heard()
        let target = try await Server.leaving(ByteBuffer(string: "farewell"), heard)
        let rig = try await Rig.start(target: target.port)
        let wire = try await rig.relay.visitor()
        try await wire.send("hello")
        let (words, end) = try await wire.readToEnd()
        #expect(String(buffer: words) == "farewell" && end == .finished)
        var random = SeededRandom(7)
        let content = random.bytes(3_000_000)
        try await wire.send(content)
        try await wire.finish()
        var expected = ByteBuffer(string: "hello")
        expected.writeImmutableBuffer(content)
        #expect(try await heard.all() == expected)
        wire.close()
        await rig.stop()
        try await target.stop()
    }

    @Test(
        "a visitor that does not read holds up no other one of its device, in bounded memory", arguments: [true, false])
    func stalledVisitor(isExtended: Bool) async throws {
        let target = try await Server.endless()
        // As little that the window of the one that reads grows by less than the bound below.
        let rig = try await Rig.start(
            target: target.port, relay: ", budget: 4MiB",
            device: ", budget: 4MiB" + (isExtended ? "" : ", extension: off"))
        let stalled = try await rig.relay.visitor()
        try await stalled.channel.setOption(.autoRead, value: false).get()
        try await stalled.send("go")
        let lively = try await rig.relay.visitor()
        try await lively.send("go")
        var before = rig.residentMebibytes
        for turn in 0..<48 {
            let bytes = try await lively.read(1 << 20)
            #expect(Endless.matches(bytes, at: turn << 20))
            // By now the queues of both, which are bounded, are as full as they get.
            if turn == 23 { before = rig.residentMebibytes }
        }
        for (name, memory) in rig.residentMebibytes {
            #expect(memory - (before[name] ?? memory) < 12, "\(name) has \(memory) MiB, and had \(before)")
        }
        try await lively.reset()
        // It finds every byte in its place when it reads on.
        try await stalled.channel.setOption(.autoRead, value: true).get()
        for turn in 0..<8 {
            let bytes = try await stalled.read(1 << 20)
            #expect(Endless.matches(bytes, at: turn << 20))
        }
        try await stalled.reset()
        await rig.stop()
        try await target.stop()
    }

    // MARK: Deployed peers

    /// A device of others' making: a WebSocket that shows its token in the upgrade, and takes every byte of the relay.
    private static func stranger(_ relay: PublicRelay, announces: Bool) async throws -> Wire {
        let token = try await relay.token("dev", "--name", "dev.test")
        let wire = try await Wire.connect(to: relay.process.address("devices"))
        let credentials = Data("token:\(token)".utf8).base64EncodedString()
        let lines = [
            "GET / HTTP/1.1", "Host: relay.test", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Authorization: Basic \(credentials)",
        ]
        let all = announces ? lines + ["Warren-Extension: windows=1"] : lines
        try await wire.send(ByteBuffer(string: all.joined(separator: "\r\n") + "\r\n\r\n"))
        return wire
    }

    @Test(
        "a relay says no word of it to a device that has not announced it, nor where it is off",
        arguments: [(true, "on"), (true, "off"), (false, "on")])
    func aRelayAmongOthers(announces: Bool, state: String) async throws {
        let relay = try await PublicRelay.start(keys: ", extension: \(state), linger: 200ms")
        let device = try await Self.stranger(relay, announces: announces)
        _ = await relay.process.program.errors.line(with: "tunnel up")
        let visitor = try await Wire.connect(to: relay.process.address("visitors"))
        try await visitor.send("GET / HTTP/1.1\r\nHost: dev.test\r\n\r\n")
        try await visitor.finish()
        let isExtended = announces && state == "on"
        // Where it is not told of the end, nobody answers, and the relay's patience is over soon.
        let said = String(buffer: try await device.read(through: isExtended ? ",finish," : ",end,"))
        visitor.close()
        device.close()
        await relay.process.stop()
        #expect(said.contains(#"[1,"hello",[1],"#) && said.contains(",0,connection,"), "\(said)")
        #expect(said.contains("GET / HTTP/1.1\r\nHost: dev.test"), "the visitor has come through")
        let words = [#""windows""#, #""ping""#, ",credit,", ",finish,"]
        for word in words { #expect(said.contains(word) == isExtended, "\(word) in \(said)") }
    }

    @Test(
        "a device announces it in a header, unless it is off or the relay is one in Go", arguments: ["on", "off", "go"])
    func aDeviceAmongOthers(state: String) async throws {
        let heard = Heard()
        let relay = try await Server.leaving(ByteBuffer(string: "HTTP/1.1 404 Not Found\r\n\r\n"), heard)
        let folder = try Folder()
        folder.write("dev.token", "a.b.c\n")
        let device = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: dev, type: mproxy, relay: "ws://127.0.0.1:\(relay.port)", tokenFile: dev.token, services: { dev.test: "127.0.0.1:1" }, \(state == "go" ? "dialect: v1-go" : "extension: \(state)") }
                  - { name: idle, type: mixed, listen: "127.0.0.1:0" }
                """, in: folder)
        let request = String(buffer: try await heard.all())
        #expect(request.hasPrefix("GET /"), "\(request)")
        #expect(request.lowercased().contains("warren-extension: windows=1\r\n") == (state == "on"), "\(request)")
        await device.stop()
        try await relay.stop()
    }
}
