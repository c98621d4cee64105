// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

#if os(Linux)
@Suite struct LossWatchTests {
    private func option(_ name: CInt, of socket: Socket) -> CInt {
        var value: CInt = -1
        var size = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(socket.descriptor, CInt(IPPROTO_TCP), name, &value, &size)
        return value
    }

    @Test(
        "an idle carrier is asked so often that it is found dead within 30 s, and nothing ends a peer that only waits")
    func asksInTime() throws {
        let pair = try LocalPair(isTCP: true)
        SocketOptions.carrier.apply(to: pair.socket.descriptor)
        let (idle, interval) = (option(TCP_KEEPIDLE, of: pair.socket), option(TCP_KEEPINTVL, of: pair.socket))
        let probes = option(TCP_KEEPCNT, of: pair.socket)
        #expect(idle > 0 && interval > 0 && probes >= 3)
        #expect(idle + interval * probes <= 30)
        #expect(option(TCP_USER_TIMEOUT, of: pair.socket) == 0)
    }

    @Test("only carriers are watched, as long as they are open")
    func watchesCarriersOnly() throws {
        let plain = try LocalPair(isTCP: true)
        let relayed = plain.makeLeg()
        #expect(plain.loop.timers.count == 0)
        relayed.close()
        let pair = try LocalPair(isTCP: true)
        let leg = pair.makeLeg(.carrier)
        for _ in 0..<100 { pair.loop.advance(by: .seconds(4)) }
        #expect(leg.ending == .open)
        #expect(pair.loop.timers.count == 1)
        leg.close()
        #expect(pair.loop.timers.count == 0)
    }

    @Test("a peer that reads nothing is no lost peer")
    func letsAReaderStall() throws {
        let pair = try LocalPair(isTCP: true, room: 4096)
        let leg = pair.makeLeg(.carrier)
        leg.write(ByteBuffer(repeating: 1, count: 4 << 20))
        pair.turn()
        leg.flush()
        #expect(leg.hasUnsent)
        for _ in 0..<100 { pair.loop.advance(by: .seconds(4)) }
        #expect(leg.ending == .open)
        #expect(cws_is_unanswered(pair.socket.descriptor, 20_000) == 0)
        leg.close(.aborted)
    }

    @Test("a leg that moves to another loop leaves no watch behind")
    func movesWithItsWatch() throws {
        let pair = try LocalPair(isTCP: true)
        let leg = pair.makeLeg(.carrier)
        let loose = leg.detach()
        #expect(pair.loop.timers.count == 0)
        let other = SocketLoop.manual()
        let moved = try #require(loose.attach(to: other))
        #expect(other.timers.count == 1)
        moved.close()
        #expect(other.timers.count == 0)
    }
}
#endif
