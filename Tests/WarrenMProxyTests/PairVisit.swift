// SPDX-License-Identifier: Apache-2.0

import WarrenCore

/// One visitor, as both ends see it. Every byte says whose it is, which way it goes, and where it stands.
struct PairVisit {
    var relayID: StreamID?
    var deviceID: StreamID?
    /// Bytes given to the one end, and come out at the other.
    var sent = [false: 0, true: 0]
    var got = [false: 0, true: 0]
    var unread = [false: 0, true: 0]
    /// Who has said that it will send no more.
    var finished: Set<Bool> = []
    /// Who has heard so, where both ends use the extension: true is the device.
    var heardFinish: Set<Bool> = []
    /// An end has left it before everything was said.
    var isCut = false
    /// The relay's driver has ended it in order, with everything sent.
    var isOver = false

    /// A reader that is there still has something to take.
    var hasUnread: Bool {
        self.deviceID != nil && self.unread[true] ?? 0 > 0 || self.relayID != nil && self.unread[false] ?? 0 > 0
    }

    /// What is wrong with it now that both ends have finished, or one has left; nil if nothing is.
    var faultWhenFinished: String? {
        if self.relayID != nil || self.deviceID != nil { return "does not end" }
        guard !self.isCut else { return nil }
        if self.got != self.sent { return "\(self.got) of \(self.sent)" }
        return self.heardFinish.count < 2 ? "nobody heard its finish" : nil
    }

    /// The one at a place of what it says in one direction.
    static func byte(_ place: Int, of number: Int, _ fromRelay: Bool) -> UInt8 {
        UInt8(truncatingIfNeeded: place &* 31 &+ number &* 97 &+ (place >> 8) &* 7 &+ (fromRelay ? 13 : 0))
    }
}
