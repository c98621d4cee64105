// SPDX-License-Identifier: Apache-2.0

/// The rows of live streams: each keeps its number for the life of its stream, and is used again afterwards.
///
/// What a free row was left with stays there until it is used again, so that should have no storage.
package struct StreamRows<Row> {
    @usableFromInline package var rows = ContiguousArray<Row>()
    @usableFromInline package var free = ContiguousArray<Int>()

    @inlinable package init() {}

    /// Live ones.
    @inlinable package var count: Int { self.rows.count - self.free.count }
    /// Of all there ever were at a time.
    @inlinable package var indices: Range<Int> { self.rows.indices }

    @inlinable package subscript(row: Int) -> Row {
        // Not `_read`: Swift 6.3 uses what was yielded of a large row after the frame it stood in is gone.
        get { self.rows[row] }
        _modify { yield &self.rows[row] }
    }

    /// - Returns: its number.
    @inlinable package mutating func insert(_ stream: Row) -> Int {
        guard let row = self.free.popLast() else {
            self.rows.append(stream)
            return self.rows.count - 1
        }
        self.rows[row] = stream
        return row
    }

    /// Gives up the number of a live stream.
    @inlinable package mutating func remove(_ row: Int) { self.free.append(row) }
}
