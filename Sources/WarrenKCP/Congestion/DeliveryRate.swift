// SPDX-License-Identifier: Apache-2.0

/// What had been delivered when a segment left. Times are nanoseconds.
struct DeliveryMark {
    var delivered: UInt64 = 0
    var deliveredAt: Int64 = 0
    /// When the segment left whose delivery was the last one known then.
    var windowStart: Int64 = 0
    /// There was too little to send to tell what the path can carry.
    var isLimited = false
}

/// How fast the path delivers, by what each acknowledged segment has seen delivered between its leaving and its
/// acknowledgement: over the longer of the times in which that was sent and in which it was acknowledged.
///
/// - Source: draft-cheng-iccrg-delivery-rate-estimation.
struct DeliveryRate {
    struct Sample {
        /// Bytes per second.
        var rate: Double
        /// What had been delivered when the segment left.
        var prior: UInt64
        var isLimited: Bool
    }

    /// Bytes on the wire that the peer has.
    private(set) var delivered: UInt64 = 0
    private var deliveredAt: Int64 = 0
    private var windowStart: Int64 = 0
    private var limitedUntil: UInt64?
    /// The newest segment that the current datagram acknowledges.
    private var mark: DeliveryMark?
    private var markSentAt: Int64 = 0

    /// - Parameter isFirst: nothing else is under way.
    mutating func sent(isFirst: Bool, now: Int64) -> DeliveryMark {
        if isFirst {
            self.windowStart = now
            self.deliveredAt = now
        }
        return DeliveryMark(
            delivered: self.delivered, deliveredAt: self.deliveredAt, windowStart: self.windowStart,
            isLimited: self.limitedUntil != nil)
    }

    mutating func acknowledged(_ flight: Flight, now: Int64) {
        self.delivered += UInt64(flight.size)
        self.deliveredAt = now
        if let mark = self.mark, (flight.delivery.delivered, flight.sentAt) < (mark.delivered, self.markSentAt) {
            return
        }
        self.mark = flight.delivery
        self.markSentAt = flight.sentAt
    }

    /// All that is under way leaves while there is too little to send.
    mutating func limited(underWay: Int) { self.limitedUntil = self.delivered + UInt64(max(underWay, 1)) }

    /// What the datagram that was just read tells.
    ///
    /// - Parameter least: samples over less than so many nanoseconds tell nothing.
    mutating func sample(now: Int64, least: Int64) -> Sample? {
        if let limit = self.limitedUntil, self.delivered > limit { self.limitedUntil = nil }
        guard let mark = self.mark else { return nil }
        self.mark = nil
        self.windowStart = self.markSentAt
        let interval = max(self.markSentAt - mark.windowStart, now - mark.deliveredAt)
        guard interval > 0, interval >= least else { return nil }
        let rate = Double(self.delivered - mark.delivered) * 1e9 / Double(interval)
        return Sample(rate: rate, prior: mark.delivered, isLimited: mark.isLimited)
    }
}
