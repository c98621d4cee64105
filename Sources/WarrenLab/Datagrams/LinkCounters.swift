// SPDX-License-Identifier: Apache-2.0

/// What has become of the datagrams of one direction. Each that was seen is passed or under one kind of loss.
package struct LinkCounters: Hashable, Sendable {
    package var seen: UInt64 = 0
    package var passed: UInt64 = 0
    package var lost: UInt64 = 0
    package var blackout: UInt64 = 0
    package var tooLong: UInt64 = 0
    package var queueFull: UInt64 = 0
    /// Of those that are passed, or copies of them: dropped because this machine had no room.
    package var overflow: UInt64 = 0
    package var duplicated: UInt64 = 0
    package var reordered: UInt64 = 0
    package var corrupted: UInt64 = 0

    package init() {}

    mutating func count(_ loss: Loss) {
        switch loss {
        case .chance: self.lost &+= 1
        case .blackout: self.blackout &+= 1
        case .tooLong: self.tooLong &+= 1
        case .queueFull: self.queueFull &+= 1
        }
    }
}

extension LinkCounters: CustomStringConvertible {
    package var description: String {
        "seen=\(self.seen) passed=\(self.passed) lost=\(self.lost) blackout=\(self.blackout) tooLong=\(self.tooLong) "
            + "queueFull=\(self.queueFull) overflow=\(self.overflow) duplicated=\(self.duplicated) "
            + "reordered=\(self.reordered) corrupted=\(self.corrupted)"
    }
}
