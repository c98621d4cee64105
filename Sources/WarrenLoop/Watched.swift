// SPDX-License-Identifier: Apache-2.0

/// Something with a descriptor that a loop watches and keeps alive meanwhile.
package class Watched {
    /// Called on the loop when the system says that something has become possible.
    package func became(_ ready: UInt32) {}

    /// Called when it has asked for another turn.
    package func serve() {}
}

/// What a loop watches, by descriptor.
///
/// The system is given numbers, never pointers: an event of a descriptor that was closed may still be in hand, or come
/// later, while a child process that is being started holds a copy of it.
package struct WatchTable {
    private struct Slot {
        /// Of what is or was here last; the next one has the next number.
        var generation: UInt32 = 0
        var watched: Watched?
    }

    private var slots: ContiguousArray<Slot> = []

    /// - Returns: `generation << 32 | descriptor`, never 0.
    package mutating func insert(_ watched: Watched, _ descriptor: CInt) -> UInt64 {
        let index = Int(descriptor)
        while self.slots.count <= index { self.slots.append(Slot()) }
        self.slots[index].generation = max(1, self.slots[index].generation &+ 1)
        self.slots[index].watched = watched
        return self.token(of: descriptor)
    }

    package func token(of descriptor: CInt) -> UInt64 {
        UInt64(self.slots[Int(descriptor)].generation) << 32 | UInt64(UInt32(descriptor))
    }

    package mutating func remove(_ descriptor: CInt) {
        if Int(descriptor) < self.slots.count { self.slots[Int(descriptor)].watched = nil }
    }

    /// Nil for what is watched no more.
    package subscript(token: UInt64) -> Watched? {
        let index = Int(UInt32(truncatingIfNeeded: token))
        guard index < self.slots.count, self.slots[index].generation == UInt32(token >> 32) else { return nil }
        return self.slots[index].watched
    }
}
