// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One segment between its first send and its acknowledgement.
struct Flight {
    /// Nil once it is acknowledged.
    var data: ByteBuffer?
    /// Bytes of data; known after the data is let go of.
    var length = 0
    var fragment: UInt8 = 0
    /// Which of the ``FlightLines`` it stands in, and who is before and behind it there.
    var line = FlightLines.none
    var before: UInt32 = 0
    var after: UInt32 = 0
    var sends = 0
    /// By how often it was waited for in vain, and once more, it is waited for the longer.
    var waits = 1
    /// How many copies have left unasked since then.
    var copies = 0
    /// What was the oldest in flight when it was last sent: the peer knew of all before.
    var awaited: UInt32 = 0
    /// `ts` of its first and its last copy.
    var firstStamp: UInt32 = 0
    var stamp: UInt32 = 0
    /// Counts all sends of all segments: what was sent after what.
    var order: UInt64 = 0
    /// The same of its last copy.
    var lastOrder: UInt64 = 0
    /// Nanoseconds.
    var sentAt: Int64 = 0
    var delivery = DeliveryMark()

    /// Bytes on the wire.
    var size: Int { self.length + KCP.overhead }
}

/// A queue of flights by number; its links are in the flights.
struct FlightLine {
    var first: UInt32 = 0
    var last: UInt32 = 0
    var count = 0
}

/// All flights, by how long they are waited for; those to be repeated stand in a line of their own.
///
/// Within a line they are in the order in which they were last sent, so that whoever is due first, or has been skipped
/// longest, is at its front: neither question looks at more than one flight per line.
struct FlightLines {
    static let none: UInt8 = 255
    /// Segments to be sent again.
    static let lost = 0
    private static let count = 32
    private var lines = ContiguousArray(repeating: FlightLine(), count: Self.count)
    /// A bit for each line that has anybody in it, but not for ``lost``.
    private(set) var occupied: UInt32 = 0

    /// The line of those waited for so often.
    static func line(waits: Int) -> Int { min(max(waits, 1), Self.count - 1) }

    subscript(line: Int) -> FlightLine {
        get { self.lines[line] }
        set {
            self.lines[line] = newValue
            guard line != Self.lost else { return }
            let bit = UInt32(1) << UInt32(line)
            if newValue.count > 0 { self.occupied |= bit } else { self.occupied &= ~bit }
        }
    }
}
