// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

/// Visitors of a device on which nobody listens behind it.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MProxyRefusedTests {
    @Test("a visitor by plain HTTP gets 502, one of a raw port a reset", arguments: ["on", "off"])
    func nobodyListens(windows: String) async throws {
        let relay = try await PublicRelay.start()
        let port = try await Server.freePort()
        try await relay.token("d", "--name", "a.test", "--port", "\(relay.raw)", "--subject", "d")
        let device = try await relay.device(
            "d", serving: "a.test: \"127.0.0.1:\(port)\", \(relay.raw): \"127.0.0.1:\(port)\"",
            keys: ", extension: \(windows)")
        let heads = [
            "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n"
                + String(repeating: "x", count: 100_000),
        ]
        for head in heads {
            let wire = try await Wire.connect(to: relay.process.address("visitors"))
            try await wire.send(ByteBuffer(string: head))
            let rest = try await wire.readToEnd()
            let answer = String(buffer: rest.bytes)
            #expect(answer.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n") && answer.hasSuffix("\n"))
            #expect(answer.contains("\r\nConnection: close\r\n"))
            #expect(rest.end == .finished)
        }
        let raw = try await relay.visitor()
        try? await raw.send(ByteBuffer(string: heads[0]))
        let end = try await raw.readToEnd()
        #expect(end.bytes.readableBytes == 0 && end.end == .reset)
        for process in [device, relay.process] { await process.stop() }
    }
}
