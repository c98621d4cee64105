// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// Visitors by plain HTTP whose connections outlast a request.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MProxyKeptConnectionTests {
    private static func get(_ name: String, _ path: String = "/") -> String {
        "GET \(path) HTTP/1.1\r\nHost: \(name)\r\n\r\n"
    }

    private static func site() async throws -> (relay: PublicRelay, devices: [WarrenProcess], logs: [RequestLog]) {
        let relay = try await PublicRelay.start()
        var (devices, logs): ([WarrenProcess], [RequestLog]) = ([], [])
        for name in ["a", "b"] {
            let log = RequestLog()
            let server = try await Server.keeping(name, log)
            try await relay.token(name, "--name", "\(name).test", "--subject", name)
            devices.append(try await relay.device(name, serving: "\(name).test: \"127.0.0.1:\(server.port)\""))
            logs.append(log)
        }
        return (relay, devices, logs)
    }

    @Test("a later request for another name goes there, one after the other and pipelined")
    func twoNames() async throws {
        let (relay, devices, logs) = try await Self.site()
        let address = try relay.process.address("visitors")
        let kept = try await Wire.connect(to: address)
        for name in ["a", "a", "b", "a", "b", "b"] {
            try await kept.send(ByteBuffer(string: Self.get("\(name).test")))
            #expect(String(buffer: try await kept.read(through: "\(name): 0")).hasPrefix("HTTP/1.1 200 "))
        }
        try await kept.send(ByteBuffer(string: Self.get("c.test", "/nobody")))
        #expect(String(buffer: try await kept.readToEnd().bytes).hasPrefix("HTTP/1.1 404 "))
        let pipelined = try await Wire.connect(to: address)
        let post = "POST /p HTTP/1.1\r\nHost: b.test\r\nContent-Length: 4\r\n\r\nbody"
        try await pipelined.send(ByteBuffer(string: post + Self.get("b.test") + Self.get("a.test", "/q")))
        try await pipelined.finish()
        let answers = String(buffer: try await pipelined.readToEnd().bytes)
        #expect(answers.components(separatedBy: "HTTP/1.1 200 ").count == 4)
        #expect(answers.contains("b: 4HTTP/1.1 200 ") && answers.contains("b: 0HTTP/1.1 200 "))
        #expect(answers.hasSuffix("a: 0"))
        #expect(logs.map(\.all) == [["/", "/", "/", "/q"], ["/", "/", "/", "/p", "/"]])
        for process in devices + [relay.process] { await process.stop() }
    }

    @Test("two names of one device, in turn on one connection", arguments: ["on", "off"])
    func namesOfOneDevice(windows: String) async throws {
        let relay = try await PublicRelay.start()
        let log = RequestLog()
        let (one, two) = (try await Server.keeping("one", log), try await Server.keeping("two", log))
        try await relay.token("d", "--name", "a.test", "--name", "b.test", "--subject", "d")
        let device = try await relay.device(
            "d", serving: "a.test: \"127.0.0.1:\(one.port)\", b.test: \"127.0.0.1:\(two.port)\"",
            keys: ", extension: \(windows)")
        let kept = try await Wire.connect(to: relay.process.address("visitors"))
        for _ in 0..<40 {
            try await kept.send(ByteBuffer(string: Self.get("a.test")))
            _ = try await kept.read(through: "one: 0")
            try await kept.send(ByteBuffer(string: Self.get("b.test")))
            _ = try await kept.read(through: "two: 0")
        }
        #expect(log.all.count == 80)
        for process in [device, relay.process] { await process.stop() }
    }

    @Test("big bodies pass both ways, with a half-close behind them") func bigBodies() async throws {
        let (relay, devices, _) = try await Self.site()
        let size = 8 << 20
        let wire = try await Wire.connect(to: relay.process.address("visitors"))
        var request = ByteBuffer(
            string: "POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: \(size)\r\n\r\n")
        request.writeRepeatingByte(UInt8(ascii: "x"), count: size)
        async let sent: Void = wire.send(request)
        _ = try await wire.read(through: "\r\n\r\n")
        let body = try await wire.read(size)
        try await sent
        #expect(body == ByteBuffer(repeating: UInt8(ascii: "x"), count: size))
        try await wire.send(ByteBuffer(string: Self.get("a.test")))
        try await wire.finish()
        let rest = try await wire.readToEnd()
        #expect(String(buffer: rest.bytes).hasSuffix("a: 0"))
        #expect(rest.end == .finished)
        for process in devices + [relay.process] { await process.stop() }
    }
}
