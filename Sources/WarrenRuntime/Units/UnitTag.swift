// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Names one running inbound, outbound or relay. An entry that a reload has changed is another unit of the same name.
package final class UnitTag: Sendable {
    package let role: String
    package let name: String
    private let retired = Atomic<Bool>(false)
    private let over = Atomic<Bool>(false)

    package init(role: String, name: String) {
        self.role = role
        self.name = name
    }

    /// It is on its way out: nothing new begins there.
    package var isRetired: Bool { self.retired.load(ordering: .acquiring) }

    /// Its drain is over, and nobody looks after it any more.
    package var isOver: Bool { self.over.load(ordering: .acquiring) }

    package func end() { self.over.store(true, ordering: .releasing) }

    /// Whoever sees it sees what was written before, too.
    package func retire() { self.retired.store(true, ordering: .releasing) }
}
