// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Table rows in the order in which they were last touched: one timer of constant length for any number of streams.
///
/// As time only goes forward, the row that is due first is always the first one. Every operation takes constant time.
package struct AgeQueue {
    private struct Link {
        var isIn = false
        var before = -1
        var after = -1
        var since = NIODeadline.uptimeNanoseconds(0)
    }

    private var links = ContiguousArray<Link>()
    private var first = -1
    private var last = -1

    package init() {}

    package var oldest: (row: Int, since: NIODeadline)? {
        self.first < 0 ? nil : (self.first, self.links[self.first].since)
    }

    package func contains(_ row: Int) -> Bool { row < self.links.count && self.links[row].isIn }

    /// Starts or restarts the time of a row.
    package mutating func touch(_ row: Int, now: NIODeadline) {
        self.remove(row)
        while self.links.count <= row { self.links.append(Link()) }
        self.links[row] = Link(isIn: true, before: self.last, after: -1, since: now)
        if self.last >= 0 { self.links[self.last].after = row } else { self.first = row }
        self.last = row
    }

    package mutating func remove(_ row: Int) {
        guard self.contains(row) else { return }
        let link = self.links[row]
        if link.before >= 0 { self.links[link.before].after = link.after } else { self.first = link.after }
        if link.after >= 0 { self.links[link.after].before = link.before } else { self.last = link.before }
        self.links[row].isIn = false
    }
}
