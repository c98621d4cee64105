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

    @Test("a later request for another name reaches nobody, one after the other and pipelined")
    func twoNames() async throws {
        let (relay, devices, logs) = try await Self.site()
        let address = try relay.process.address("visitors")
        let kept = try await Wire.connect(to: address)
        for _ in 0..<3 {
            try await kept.send(ByteBuffer(string: Self.get("a.test")))
            #expect(String(buffer: try await kept.read(through: "a: 0")).hasPrefix("HTTP/1.1 200 "))
        }
        try await kept.send(ByteBuffer(string: Self.get("b.test", "/secret")))
        let rest = String(buffer: try await kept.readToEnd().bytes)
        #expect(rest.hasPrefix("HTTP/1.1 421 Misdirected Request\r\n"))
        #expect(rest.contains("\r\nConnection: close\r\n"))
        let pipelined = try await Wire.connect(to: address)
        let post = "POST /p HTTP/1.1\r\nHost: b.test\r\nContent-Length: 4\r\n\r\nbody"
        try await pipelined.send(ByteBuffer(string: post + Self.get("b.test") + Self.get("a.test", "/secret")))
        let answers = String(buffer: try await pipelined.readToEnd().bytes)
        #expect(answers.components(separatedBy: "HTTP/1.1 200 ").count == 3)
        #expect(answers.contains("b: 4HTTP/1.1 200 ") && answers.contains("b: 0HTTP/1.1 421 "))
        #expect(logs.map(\.all) == [["/", "/", "/"], ["/p", "/"]])
        for process in devices + [relay.process] { await process.stop() }
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
