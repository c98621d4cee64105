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
    @Test("a rebinding ends streams with a reset and never with wrong bytes, and the tunnel is back at once")
    func rebinding() async throws {
        let far = try await Server.exchange()
        let site = try await VProxySite.start(to: far.port, lab: ["--rebind", "1s", "--seed", "7"])
        let clock = ContinuousClock()
        let start = clock.now
        var (whole, broken) = (0, 0)
        while clock.now < start + .seconds(5) {
            do {
                #expect(try await Exchange.run(UInt64(whole), count: 256 << 10, over: site.connect()) == nil)
                whole += 1
            } catch {
                broken += 1
            }
        }
        #expect(whole > 5 && broken < 3 * 6, "\(whole) whole, \(broken) broken")
        await site.stop()
        try await far.stop()
    }

    @Test("after a blackout the tunnel works again within 2 s", arguments: [3, 8]) func blackout(seconds: Int)
        async throws
    {
        let far = try await Server.exchange()
        let site = try await VProxySite.start(to: far.port, lab: ["--blackout", "\(seconds)s@1s", "--seed", "7"])
        let lab = try #require(site.lab)
        #expect(try await Exchange.run(1, count: 10_000, over: site.connect()) == nil)
        #expect(await lab.program.errors.line(with: "blackout begins") != nil)
        async let during = Exchange.run(2, count: 256 << 10, over: site.connect())
        #expect(await lab.program.errors.line(with: "blackout ends") != nil)
        let (clock, end) = (ContinuousClock(), ContinuousClock().now)
        #expect(try await Exchange.run(3, count: 10_000, over: site.connect()) == nil)
        #expect(clock.now - end < .seconds(2))
        #expect(try await during == nil)
        await site.stop()
        try await far.stop()
    }
}
