// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenTesting

@testable import WarrenKCP

/// Machines joined by links, with a clock that jumps from one event to the next.
struct Network {
    private(set) var ends: [KCP.Machine] = []
    /// The links that an end's datagrams pass, and the end at which they arrive.
    private var ways: [(links: [Link], to: Int)] = []
    private var underWay = ArrivalQueue()
    /// Nanoseconds.
    private(set) var now: Int64 = 1_000_000_000
    /// Bytes that each end has received.
    private(set) var received: [Int] = []
    private var deadlines: [Int64?] = []
    /// How often an end had nothing to do at its deadline, and had one that was over when it had done all.
    private(set) var idleWakes = 0
    private(set) var spins = 0
    /// Others that share links with the ends.
    var neighbours: [CubicFlow] = []
    /// Called with each piece that an end receives.
    var onReceive: ((Int, ByteBuffer) -> Void)?

    /// Adds two ends.
    ///
    /// - Returns: their places.
    mutating func join(
        _ a: KCP.Configuration, _ b: KCP.Configuration, forth: [Link], back: [Link], first: UInt32 = 0
    ) -> (Int, Int) {
        let place = self.ends.count
        for configuration in [a, b] {
            self.ends.append(KCP.Machine(configuration, now: self.time, firstNumber: first))
            self.received.append(0)
            self.deadlines.append(nil)
        }
        self.ways.append((forth, place + 1))
        self.ways.append((back, place))
        return (place, place + 1)
    }

    var time: NIODeadline { .uptimeNanoseconds(UInt64(self.now)) }

    mutating func send(_ bytes: ByteBuffer, from end: Int) {
        self.ends[end].send(bytes)
        self.flush(end)
    }

    /// Runs until the time, or until nothing is left to happen, or until told to stop after an event at an end.
    ///
    /// - Returns: false if nothing is left.
    mutating func run(until end: Int64, _ stop: (inout Network, Int) -> Bool = { _, _ in false }) -> Bool {
        while true {
            if self.runNeighbour(until: end) { continue }
            var next: Int64?
            var who = 0
            for (place, deadline) in self.deadlines.enumerated() {
                if let deadline, deadline < next ?? .max { (next, who) = (deadline, place) }
            }
            if let arrival = self.underWay.first, arrival.time <= next ?? .max {
                guard arrival.time <= end, let arrival = self.underWay.popFirst() else {
                    self.now = end
                    return true
                }
                self.now = max(self.now, arrival.time)
                who = arrival.end
                self.ends[who].input(arrival.datagram, now: self.time)
            } else if let next {
                guard next <= end else {
                    self.now = end
                    return true
                }
                self.now = max(self.now, next)
                let before = self.ends[who].counters
                self.flush(who)
                if self.ends[who].counters == before, self.ends[who].failure == nil { self.idleWakes += 1 }
            } else {
                if !self.neighbours.isEmpty { self.now = end }
                return false
            }
            self.flush(who)
            if stop(&self, who) { return true }
        }
    }

    /// Lets that neighbour go on whose turn is before that of any end.
    private mutating func runNeighbour(until end: Int64) -> Bool {
        guard let place = self.neighbours.indices.min(by: { self.neighbours[$0].next < self.neighbours[$1].next })
        else { return false }
        let next = self.neighbours[place].next
        guard next <= end, next <= self.underWay.first?.time ?? .max else { return false }
        guard self.deadlines.allSatisfy({ next <= $0 ?? .max }) else { return false }
        self.now = max(self.now, next)
        self.neighbours[place].run(now: self.now)
        return true
    }

    /// Takes out of an end what is there, and puts it on its way.
    private mutating func flush(_ end: Int) {
        while let bytes = self.ends[end].receive() {
            self.received[end] += bytes.readableBytes
            self.onReceive?(end, bytes)
        }
        while let datagram = self.ends[end].poll(now: self.time) {
            self.pass(datagram, self.ways[end].links[...], to: self.ways[end].to, at: self.now)
        }
        self.deadlines[end] = self.ends[end].deadline.map { Int64($0.uptimeNanoseconds) }
        if let deadline = self.deadlines[end], deadline <= self.now { self.spins += 1 }
    }

    private mutating func pass(_ datagram: ByteBuffer, _ links: ArraySlice<Link>, to end: Int, at time: Int64) {
        guard let link = links.first else { return self.underWay.append(datagram, to: end, at: time) }
        link.pass(datagram, now: time) { self.pass($0, links.dropFirst(), to: end, at: $1) }
    }
}

extension Network {
    /// Runs for a time in which some ends never run out of data.
    mutating func run(seconds: Int64, full ends: [Int]) { self.run(nanoseconds: seconds * 1_000_000_000, full: ends) }

    mutating func run(nanoseconds: Int64, full ends: [Int]) {
        let chunk = ByteBuffer(repeating: 7, count: 65536)
        for end in ends where self.ends[end].isWritable { self.send(chunk, from: end) }
        _ = self.run(until: self.now + nanoseconds) { network, end in
            while ends.contains(end), network.ends[end].isWritable { network.send(chunk, from: end) }
            return false
        }
    }
}
