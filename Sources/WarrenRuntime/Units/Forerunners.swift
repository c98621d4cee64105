// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Those that had the place of a part before a reload, as long as they drain: their node keeps them until then.
final class Forerunners<Part: NodeComponent>: Sendable {
    private struct Entry: Sendable {
        weak let part: Part?
    }

    private let entries = Mutex<[Entry]>([])

    /// The last one first.
    var all: [Part] {
        self.entries.withLock { entries in
            entries.removeAll { $0.part == nil }
            return entries.compactMap(\.part)
        }
    }

    /// - Parameter earlier: those that it came after.
    func add(_ part: Part, _ earlier: Forerunners) {
        let parts = [part] + earlier.all
        self.entries.withLock { $0 = parts.map { Entry(part: $0) } }
    }
}
