// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenKCP

/// Numbers and stamps go round at 2^32.
@Suite("KCP wraps")
struct WrapTests {
    @Test func comparesOnTheCircle() {
        #expect(UInt32.max.precedes(0))
        #expect(!UInt32(0).precedes(.max))
        #expect(!UInt32(5).precedes(5))
        #expect(UInt32(0).isWithin(3, from: .max - 1))
        #expect(!UInt32(1).isWithin(3, from: .max - 1))
    }

    @Test(arguments: [UInt32.max - 100, .max, (1 << 31) - 50])
    func carriesOnOverTheEndOfTheNumbers(first: UInt32) {
        var configuration = KCP.Configuration.vproxy()
        configuration.clockOffset = .max - 1020
        var network = Network()
        let links = [Link(delay: 10_000_000, seed: 1), Link(delay: 10_000_000, seed: 2)]
        for link in links { link.loss = 0.1 }
        let (a, b) = network.join(configuration, configuration, forth: [links[0]], back: [links[1]], first: first)
        network.send(ByteBuffer(repeating: 1, count: 500_000), from: a)
        #expect(network.run(until: .max) == false)
        #expect(network.received[b] == 500_000)
        #expect(network.ends[a].acknowledged == 500_000)
        #expect((19...60).contains((network.ends[a].roundTrip ?? .zero).nanoseconds / 1_000_000))
    }

    @Test func measuresRoundTripsOverTheEndOfTheClock() {
        var configuration = KCP.Configuration.vproxy()
        configuration.clockOffset = .max - 9
        var machine = KCP.Machine(configuration)
        machine.send(ByteBuffer(string: "a"))
        #expect(machine.output(at: 5).joined().map(\.header.stamp) == [.max - 4])
        #expect(machine.pushed(at: 205) == [0])
        machine.input(.ack(0, awaited: 1, stamp: .max - 4), at: 215)
        #expect(machine.roundTrip == .milliseconds(210))
        #expect(machine.counters.needlessRepeats == 1)
    }

    @Test func believesNoStampThatWasNeverSent() {
        var machine = KCP.Machine(.vproxy())
        machine.send(ByteBuffer(string: "a"))
        _ = machine.output(at: 100)
        machine.input(.ack(0, awaited: 1, stamp: 5), at: 110)
        #expect(machine.roundTrip == nil)
        machine.send(ByteBuffer(string: "a"))
        _ = machine.output(at: 200)
        machine.input(.ack(1, awaited: 2, stamp: 1 << 31), at: 210)
        #expect(machine.roundTrip == nil)
        #expect(machine.isFinished)
    }
}
