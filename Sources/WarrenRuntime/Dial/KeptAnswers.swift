// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore
import WarrenCore

/// The addresses that names had a moment ago.
struct KeptAnswers: Sendable {
    private var answers: [HostName: (addresses: [IPAddress], until: NIODeadline)] = [:]
    /// The names in the order in which they were kept; one that was kept again stands here twice for a while.
    private var order = Deque<(name: HostName, until: NIODeadline)>()

    func addresses(of name: HostName, now: NIODeadline) -> [IPAddress]? {
        guard let answer = self.answers[name], answer.until > now else { return nil }
        return answer.addresses
    }

    mutating func keep(
        _ addresses: [IPAddress], of name: HostName, until: NIODeadline, now: NIODeadline, most: Int
    ) {
        while let oldest = self.order.first, oldest.until <= now || self.order.count >= most {
            _ = self.order.popFirst()
            if self.answers[oldest.name]?.until == oldest.until { self.answers[oldest.name] = nil }
        }
        guard most > 0, until > now else { return }
        self.answers[name] = (addresses, until)
        self.order.append((name, until))
    }
}
