// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// What a link does to the datagrams of one direction.
package struct Impairment: Hashable, Sendable {
    /// The longest that anything is held: nothing stays on its way for longer, whatever is asked for.
    package static let longestDelay = TimeAmount.seconds(60)

    package var loss = Chance.never
    /// How many are lost in a row on average; nil where each one is lost for itself.
    package var lossBurst: Int?
    package var duplicate = Chance.never
    package var corrupt = Chance.never
    /// Leaves at once, before those that are being delayed.
    package var reorder = Chance.never
    package var delay = TimeAmount.zero
    /// Up to so much more or less than the delay, each as likely as the other.
    package var jitter = TimeAmount.zero
    /// Bytes a second, and bytes that wait for it.
    package var bottleneck: Bottleneck?
    /// Bytes of the longest datagram.
    package var mtu: Int?
    package var blackout: Blackout?

    package init() {}
}

/// What becomes of a datagram.
package enum Fate: Hashable, Sendable {
    case lost(Loss)
    /// It arrives, and perhaps once more.
    case leaves(Departure, copy: Departure?)
}

package enum Loss: Hashable, Sendable {
    case chance
    case blackout
    case tooLong
    case queueFull
}

package struct Departure: Hashable, Sendable {
    package let time: NIODeadline
    /// Which of its bits is turned, from the first byte's highest on.
    package var damagedBit: Int?
}
