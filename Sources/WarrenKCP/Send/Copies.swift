// SPDX-License-Identifier: Apache-2.0

/// What copies there are where it is configured how much.
struct CopyLimits {
    /// Bytes on the wire of a segment that is small.
    var small: Int
    /// Bytes under way that may be the rest of all there was to send: what is repeated of it has a copy.
    var rest: Int
    /// Sends of a segment up to which it has copies though nothing is heard.
    var silent: Int

    init(_ congestion: KCP.Congestion) {
        // Small segments of several streams leave as one once they wait for the same loss.
        self.small = congestion == .paced ? 1000 : 400
        self.rest = congestion == .paced ? 32768 : 0
        self.silent = congestion == .paced ? 3 : 1
    }
}

/// Segments that leave again, unasked: small ones where little is under way, as nothing follows that would show a loss, and each
/// would cost a round trip or a time-out; and those that were lost twice, as all behind them waits. Times are nanoseconds.
///
/// The one that has waited longest is at the front. There is room for few: who finds none has no copies.
struct Copies {
    struct Entry {
        var number: UInt32 = 0
        /// How often it had been sent then: not one that was sent again since.
        var sends = 0
        var left = 0
        /// When it left last.
        var leftAt: Int64 = 0
    }

    /// Bytes on the wire of all that may be under way for a segment that is small.
    static let sparse = 8192
    /// A copy in the same burst would be lost with the first one.
    static let apart: Int64 = 1_000_000
    /// Sends of a segment from which on it has copies whatever its size.
    static let stubborn = 3

    private static let firstWait: Int64 = 10_000_000
    private static let most = 64
    private var entries = ContiguousArray(repeating: Entry(), count: Self.most)
    private var start = 0
    private(set) var count = 0

    var first: Entry? { self.count > 0 ? self.entries[self.start] : nil }

    mutating func append(_ entry: Entry) {
        guard self.count < Self.most else { return }
        self.entries[(self.start + self.count) % Self.most] = entry
        self.count += 1
    }

    mutating func drop() {
        guard self.count > 0 else { return }
        self.start = (self.start + 1) % Self.most
        self.count -= 1
    }

    /// How long a copy waits for a datagram with room for it. On a short path the answer is there before the first one.
    static func wait(roundTrip: Int64?) -> Int64 { roundTrip.map { max(2 * Self.apart, $0 / 8) } ?? Self.firstWait }
}
