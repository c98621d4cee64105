// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Copies of small segments; see ``Echo``. A peer cannot tell them from datagrams that the network has doubled.
extension KCP.Machine {
    private var mayEcho: Bool { self.echo.isWanted(now: self.time) && self.window.underWay <= Echo.sparse }
    var echoIsDue: Bool { self.nextEcho.map { $0 <= self.time } ?? false }

    /// Fills what is left of a datagram, and plans one for what has left just now.
    mutating func writeEchoes(_ out: inout ByteBuffer, end: Int) {
        guard self.echoIsDue || self.mayEcho else {
            self.echo.dueAt = nil
            return
        }
        var mustFollow = false
        for number in self.newest where self.wantsEcho(number) {
            guard self.window[number].sentAt <= self.time - Echo.apart else {
                mustFollow = true
                continue
            }
            guard self.window[number].size <= end - out.writerIndex, let data = self.window[number].data else {
                continue
            }
            self.window[number].hasEcho = true
            self.counters.pushes += 1
            self.counters.repeatedBytes += UInt64(self.window[number].size)
            let (stamp, fragment) = (self.window[number].stamp, self.window[number].fragment)
            out.writeKCPHeader(
                self.header(.push, stamp: stamp, number: number, fragment: fragment), count: data.readableBytes)
            out.writeImmutableBuffer(data)
        }
        guard mustFollow else {
            self.echo.dueAt = nil
            return
        }
        if self.echo.dueAt == nil || self.echoIsDue {
            self.echo.dueAt = self.time + Echo.wait(roundTrip: self.roundTripEstimate.smoothed ?? 0)
        }
    }

    /// When a datagram with copies is due, if anything still wants one.
    var nextEcho: Int64? {
        guard let dueAt = self.echo.dueAt else { return nil }
        let oldest = self.newest.lazy.filter { self.wantsEcho($0) }.map { self.window[$0].sentAt }.min()
        return oldest.map { max(dueAt, $0 + Echo.apart) }
    }

    private var newest: some Sequence<UInt32> {
        let last = self.window.next
        return (1...UInt32(Echo.looks)).lazy.prefix(min(self.window.count, Echo.looks)).map { last &- $0 }
    }

    private func wantsEcho(_ number: UInt32) -> Bool {
        guard self.window.holds(number) else { return false }
        let flight = self.window[number]
        return !flight.hasEcho && flight.sends == 1 && flight.line != FlightLines.lost && flight.size <= Echo.small
    }
}
