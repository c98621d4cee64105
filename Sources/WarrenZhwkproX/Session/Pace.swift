// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// When a deployed peer may be told something of a destination.
///
/// It handles every message in a task of its own, so two of one destination that come closely one after the other are
/// handled in any order. So a destination *rests* after each message; those of others go on meanwhile.
struct Pace {
    /// From one message of a destination to the next.
    let gap: TimeAmount
    /// Destinations that rest, by when that is over.
    private var rests: [ZhwkproX.StreamAddress: NIODeadline] = [:]
    private var ends = Schedule<ZhwkproX.StreamAddress>()
    /// Messages of length 0 that are to be sent.
    private var empties = Schedule<ZhwkproX.StreamAddress>()

    init(gap: TimeAmount) { self.gap = gap }

    /// Messages of length 0 that wait.
    var waiting: Int { self.empties.count }
    var nextEmpty: NIODeadline? { self.empties.first }
    var nextEnd: NIODeadline? { self.ends.first }

    func isResting(_ endpoint: ZhwkproX.StreamAddress, now: NIODeadline) -> Bool {
        self.rests[endpoint].map { $0 > now } ?? false
    }

    /// A message of the destination is written.
    mutating func rest(_ endpoint: ZhwkproX.StreamAddress, now: NIODeadline) {
        guard self.gap > .zero else { return }
        self.rest(endpoint, until: now + self.gap)
    }

    /// A destination whose rest is over.
    mutating func rested(now: NIODeadline) -> ZhwkproX.StreamAddress? {
        while let endpoint = self.ends.popDue(now: now) {
            guard !self.isResting(endpoint, now: now) else { continue }  // it has been given another rest
            self.rests[endpoint] = nil
            return endpoint
        }
        return nil
    }

    /// Puts a message of length 0 behind what was said of the destination: two gaps behind, as what it overtakes is lost.
    mutating func sayEmpty(_ endpoint: ZhwkproX.StreamAddress) {
        let due = self.rests[endpoint].map { $0 + self.gap } ?? .uptimeNanoseconds(0)
        self.empties.insert(endpoint, at: due)
        // What is said of the destination next must stay behind it.
        if self.gap > .zero, due > .uptimeNanoseconds(0) { self.rest(endpoint, until: due + self.gap) }
    }

    /// The destination of a message of length 0 that is due.
    mutating func dueEmpty(now: NIODeadline) -> ZhwkproX.StreamAddress? { self.empties.popDue(now: now) }

    private mutating func rest(_ endpoint: ZhwkproX.StreamAddress, until time: NIODeadline) {
        self.rests[endpoint] = time
        self.ends.insert(endpoint, at: time)
    }
}
