// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import Synchronization

/// How many descriptors the process may have open, and how many of them are kept back for what must go on when
/// connections have taken the rest: answers to those who are refused, names, files that are read again.
///
/// The system gives the lowest free number. So the number of a new descriptor tells how many there are at least, and
/// nothing has to be counted.
package final class DescriptorLimit: Sendable {
    package static let process = DescriptorLimit { Int(clamping: cws_descriptor_limit()) }

    /// More would only cost memory: what is watched is a table by number.
    private static let most: Int64 = 1 << 20
    /// A connection of a user and one to where it wants to go.
    private static let perSession = 2

    /// What a new descriptor may be used for.
    package enum Room {
        /// Anything.
        case plenty
        /// Telling its peer that there are too many.
        case scarce
        /// Nothing.
        case none
    }

    private let read: @Sendable () -> Int
    private let current: Atomic<Int>
    private let keeping: Int?

    /// - Parameter keeping: the reserve; nil for one that fits the limit.
    package init(keeping: Int? = nil, _ read: @escaping @Sendable () -> Int) {
        self.read = read
        self.current = Atomic(read())
        self.keeping = keeping
    }

    /// Raises the limit to what the system lets the process have.
    package static func raise() { _ = cws_raise_descriptor_limit(Self.most) }

    package var count: Int { self.current.load(ordering: .relaxed) }

    /// Kept back from connections.
    package var reserve: Int { self.keeping ?? min(max(self.count / 8, min(32, self.count / 4)), 512) }

    package func room(for descriptor: CInt) -> Room {
        let (count, reserve) = (self.count, self.reserve)
        if Int(descriptor) < count - reserve { return .plenty }
        return Int(descriptor) < count - reserve / 4 ? .scarce : .none
    }

    /// The system gave none, although there should have been some: the limit is another one now.
    package func reread() { self.current.store(self.read(), ordering: .relaxed) }

    /// A sentence for the log if so many sessions cannot all have descriptors; nil if they can.
    ///
    /// - Parameter others: descriptors that are open besides those of sessions.
    package func shortfall(sessions: Int, others: Int) -> String? {
        let (fixed, overflowed) = self.reserve.addingReportingOverflow(others)
        let (streams, overflowedToo) = sessions.multipliedReportingOverflow(by: Self.perSession)
        guard !overflowed, !overflowedToo else { return nil }
        let needed = streams.addingReportingOverflow(fixed)
        guard needed.overflow || needed.partialValue > self.count else { return nil }
        let possible = max(1, (self.count - fixed) / Self.perSession)
        return """
            limits.sessions is \(sessions), which takes about \(needed.partialValue) descriptors, but the system allows \
            \(self.count) (RLIMIT_NOFILE); raise its hard limit (LimitNOFILE= in systemd, ulimit -Hn in a shell), or \
            set limits: sessions: to \(possible) or less
            """
    }
}
