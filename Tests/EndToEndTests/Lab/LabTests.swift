// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

/// `warren lab` as a process.
@Suite(.timeLimit(.minutes(2))) struct LabTests {
    @Test("bytes of a connection arrive as they were, delayed and at a rate") func passes() async throws {
        let far = try await Server.exchange()
        let lab = try await LabProcess.start(
            "tcp", to: far.port, ["--delay", "20ms", "--jitter", "5ms", "--rate", "8MiB"])
        for seed in UInt64(0)..<3 {
            let wire = try await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: lab.port))
            #expect(try await Exchange.run(seed, count: 1 << 20, over: wire) == nil)
        }
        let outcome = await lab.stop()
        #expect(outcome.code == 0 && outcome.errors.contains("connections=3 failed=0 stalls=0 resets=0 halves=0"))
        #expect(outcome.errors.contains("up: bytes=\(3 * ((1 << 20) + Exchange.headLength))"))
        try await far.stop()
    }

    @Test("a half-close and a reset pass") func ends() async throws {
        let echo = try await Server.echo()
        let lab = try await LabProcess.start("tcp", to: echo.port, ["--delay", "5ms"])
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: lab.port)
        #expect(try await Exchange.halfClosed(1, over: Wire.connect(to: address)) == nil)
        await lab.stop()
        try await echo.stop()
        // Another test could be given a port that was given back.
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let gone = try await LabProcess.start("tcp", to: Int(closed.number), [])
        // The reset may come while the connection is being set up.
        if let wire = try? await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: gone.port)) {
            #expect(try await wire.readToEnd().end == .reset)
        }
        #expect(await gone.stop().errors.contains("connections=1 failed=1"))
    }

    @Test("with the same seed a connection is cut off at the same byte") func sameSeed() async throws {
        let target = try await Server.endless()
        var counts: [Int] = []
        for _ in 0..<2 {
            let lab = try await LabProcess.start(
                "tcp", to: target.port, ["--half", "10%", "--only", "down", "--seed", "7"])
            let wire = try await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: lab.port))
            try await wire.send(ByteBuffer(string: "go"))
            let (bytes, end) = try await wire.readToEnd()
            #expect(end == .finished && Endless.matches(bytes, at: 0))
            counts.append(bytes.readableBytes)
            wire.close()
            #expect(await lab.stop().errors.contains("halves=1"))
        }
        #expect(counts.first == counts.last && counts.first != 0)
        try await target.stop()
    }

    @Test("what is wrong with its options is said in one go") func mistakes() async throws {
        let outcome = try await WarrenProcess.run(
            "lab", "udp", "127.0.0.1:0", "127.0.0.1", "--loss", "5", "--jitter", "5ms", "--reorder", "1%", "--queue",
            "4KiB",
            "--blackout", "3s/2s", "--only", "left")
        #expect(outcome.code == 1 && outcome.output.isEmpty)
        let lines = outcome.errors.split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "--blackout: \"3s/2s\" lasts as long as its period; write a longer time behind the /",
                "--jitter: is more than --delay; write --delay with at least as much",
                "--loss: \"5\" has no unit; write 5%",
                "--only: \"left\" is no direction; write up or down",
                "--queue: waits for nothing; write --rate, too, such as --rate 10MiB",
                "--reorder: has nothing to leave before; write --delay, too, such as --delay 20ms",
                "TARGET: \"127.0.0.1\" has no port; write host:port",
            ])
        let taken = try await Server.echo()
        let second = try await WarrenProcess.run("lab", "tcp", "127.0.0.1:\(taken.port)", "127.0.0.1:9")
        #expect(
            second.code == 2
                && second.errors.contains("lab: cannot listen on 127.0.0.1:\(taken.port): the port is in use"))
        try await taken.stop()
    }
}
