// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

@testable import WarrenRuntime

/// Everything that a leg said, in order.
final class LegDiary: LegEvents {
    enum Entry: Hashable {
        case received(String)
        case burst
        case finished
        case ended(StreamFault?)
    }

    let needs: LegNeeds
    private(set) var entries: [Entry] = []
    /// Called after each entry.
    var onEntry: (Entry, any Leg) -> Void = { _, _ in }

    init(needs: LegNeeds = []) { self.needs = needs }

    /// The entries since the last time.
    func take() -> [Entry] {
        defer { self.entries = [] }
        return self.entries
    }

    func received(_ bytes: ByteBuffer, by leg: any Leg) { self.note(.received(String(buffer: bytes)), leg) }
    func receivedBurst(by leg: any Leg) { self.note(.burst, leg) }
    func finished(by leg: any Leg) { self.note(.finished, leg) }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) {}
    func ended(_ leg: any Leg, _ fault: StreamFault?) { self.note(.ended(fault), leg) }

    private func note(_ entry: Entry, _ leg: any Leg) {
        self.entries.append(entry)
        self.onEntry(entry, leg)
    }
}
