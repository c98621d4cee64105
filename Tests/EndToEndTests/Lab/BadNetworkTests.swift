// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

/// A vproxy tunnel over KCP through bad networks.
///
/// KCP has no checksum but that of UDP, and the lab sends damaged bytes in a datagram of its own, whose checksum is right: so
/// nothing here is damaged.
@Suite(.serialized, .timeLimit(.minutes(2))) struct BadNetworkTests {
    enum Network: String, CaseIterable, Sendable {
        case loss5 = "--loss 5%"
        case loss20 = "--loss 20%"
        case bursts = "--loss 3% --loss-burst 4"
        case jitter = "--delay 20ms --jitter 10ms"
        case reorder = "--delay 10ms --reorder 20%"
        case duplicate = "--duplicate 20%"
        case narrow = "--rate 2MiB --queue 64KiB --delay 10ms"
        case mtu = "--mtu 1200"
        case all = "--loss 3% --delay 10ms --jitter 5ms --duplicate 2% --reorder 2%"

        /// Of both ends of the tunnel.
        var keys: String { self == .mtu ? ", mtu: 1100" : "" }

        func options(seed: UInt64) -> [String] {
            self.rawValue.split(separator: " ").map(String.init) + ["--seed", "\(seed)"]
        }
    }

    @Test("2 MiB each way at once arrive as they were", arguments: Network.allCases, [UInt64(1), 2])
    func transfers(network: Network, seed: UInt64) async throws {
        let far = try await Server.exchange()
        let site = try await VProxySite.start(to: far.port, both: network.keys, lab: network.options(seed: seed))
        #expect(try await Exchange.run(seed, count: 2 << 20, over: site.connect()) == nil)
        await site.stop()
        try await far.stop()
    }

    /// A server of KCP knows its peers by their addresses, and tells one that it does not know to begin anew.
    @Test(
        "a rebinding ends streams with a reset and never with wrong bytes, and a tunnel that is asked for is back at once"
    )
    func rebinding() async throws {
        let far = try await Server.exchange()
        let site = try await VProxySite.start(
            to: far.port, client: ", lanes: 1", lab: ["--rebind", "1s", "--seed", "7"])
        // Between two rebindings: the last ones that wait would have nobody beside them who sends.
        let end = ContinuousClock().now + .milliseconds(2500)
        // Several at once: one that sends notices for those that wait.
        let all = try await withThrowingTaskGroup(of: (whole: Int, broken: Int).self) { tasks in
            for seed in UInt64(0)..<4 { tasks.addTask { await self.uploads(until: end, seed, over: site) } }
            return try await tasks.reduce((whole: 0, broken: 0)) { ($0.whole + $1.whole, $0.broken + $1.broken) }
        }
        #expect(all.whole > 20 && all.broken < 40, "\(all)")
        // It would wait for streams whose users have moved.
        await site.server.crash()
        await site.stop()
        try await far.stop()
    }

    private func uploads(
        until end: ContinuousClock.Instant, _ seed: UInt64, over site: VProxySite
    ) async -> (whole: Int, broken: Int) {
        var (whole, broken) = (0, 0)
        while ContinuousClock().now < end {
            switch try? await self.upload(seed, over: site.connect()) {
            case .some(let isRight):
                #expect(isRight)
                whole += 1
            case nil: broken += 1
            }
        }
        return (whole, broken)
    }

    /// To a ``Server/exchange()``. Who only waits for bytes learns of a rebinding by its next PING, and who sends at once.
    private func upload(_ seed: UInt64, over wire: Wire) async throws -> Bool {
        defer { wire.close() }
        let up = Exchange.up(seed, 256 << 10)
        var bytes = ByteBuffer()
        bytes.writeMultipleIntegers(seed, UInt32(up.readableBytes), UInt32(0))
        bytes.writeImmutableBuffer(up)
        try await wire.send(bytes)
        return try await wire.read(1) == ByteBuffer(bytes: [1])
    }

    @Test("a tunnel that has hardly been used notices a rebinding with the first stream, and is back with the second")
    func earlyRebinding() async throws {
        let far = try await Server.exchange()
        let site = try await VProxySite.start(
            to: far.port, client: ", lanes: 1", lab: ["--rebind", "2s", "--seed", "7"])
        #expect(await site.lab?.program.errors.line(with: "rebinding") != nil)
        let start = ContinuousClock().now
        let first = try await site.connect()
        try await first.send(ByteBuffer(string: "hello"))
        #expect(try await first.readToEnd().end == .reset)
        first.close()
        #expect(try await Exchange.run(1, count: 1000, over: site.connect()) == nil)
        // A silent server is given up after 20 s: it was told before that.
        #expect(ContinuousClock().now - start < .seconds(12))
        await site.stop()
        try await far.stop()
    }

    @Test("a client that only waits for bytes notices a rebinding soon, and is back with the next stream")
    func rebindingUnderADownload() async throws {
        let far = try await Server.dripping()
        let site = try await VProxySite.start(
            to: far.port, client: ", lanes: 1", lab: ["--rebind", "5s", "--seed", "7"])
        let first = try await site.connect()
        try await first.send(ByteBuffer(string: "go"))
        #expect(await site.lab?.program.errors.line(with: "rebinding") != nil)
        let start = ContinuousClock().now
        #expect(try await first.readToEnd().end == .reset)
        first.close()
        let second = try await site.connect()
        try await second.send(ByteBuffer(string: "go"))
        _ = try await second.read(1)
        // The keep-alive alone takes up to 15 s.
        #expect(ContinuousClock().now - start < .seconds(5))
        second.close()
        await site.server.crash()
        await site.stop()
        try await far.stop()
    }

    @Test("after a blackout the tunnel works again, and what it held up arrives", arguments: [3, 8])
    func blackout(seconds: Int) async throws {
        let far = try await Server.exchange()
        // One lane: another would have to begin in the dark.
        let site = try await VProxySite.start(
            to: far.port, client: ", lanes: 1", lab: ["--blackout", "\(seconds)s@1s", "--seed", "7"])
        let lab = try #require(site.lab)
        #expect(try await Exchange.run(1, count: 10_000, over: site.connect()) == nil)
        #expect(await lab.program.errors.line(with: "blackout begins") != nil)
        async let during = Exchange.run(2, count: 256 << 10, over: site.connect())
        #expect(await lab.program.errors.line(with: "blackout ends") != nil)
        #expect(try await Exchange.run(3, count: 10_000, over: site.connect()) == nil)
        #expect(try await during == nil)
        await site.stop()
        try await far.stop()
    }
}
