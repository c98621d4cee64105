// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenLoop
import WarrenRuntime

/// What is on its way from one leg of a connection to the other.
struct StreamLane {
    enum Item {
        case bytes(ByteBuffer)
        /// The sender has ended its side.
        case finish
        /// The sender has gone, in order or with a fault.
        case leave
        case broken
        /// By chance: the receiver sees an end, or both ends a fault.
        case cut
        case reset
    }

    /// From whom it comes.
    let source: any Leg
    var stream: ImpairedStream
    /// Bytes on their way.
    private(set) var held = 0
    private var items: CircularBuffer<(item: Item, time: NIODeadline)> = []
    /// The source is not read.
    var isFull = false
    /// The source has ended its side, or what it says is dropped.
    var isFinished = false
    var hasGone = false
    var timer: LoopTimer?

    init(from source: any Leg, _ stream: ImpairedStream) {
        self.source = source
        self.stream = stream
    }

    var next: NIODeadline? { self.items.first?.time }

    mutating func take(_ bytes: ByteBuffer, now: NIODeadline) {
        guard !self.isFinished else { return }
        var bytes = bytes
        for step in self.stream.arrives(length: bytes.readableBytes, now: now) {
            switch step {
            case .pass(let count, let time):
                guard let piece = bytes.readSlice(length: count) else { return }
                self.held += count
                self.items.append((.bytes(piece), time))
            case .cut(let time):
                self.isFinished = true
                self.items.append((.cut, time))
            case .reset(let time):
                self.isFinished = true
                self.items.append((.reset, time))
            }
        }
    }

    mutating func end(_ item: Item, now: NIODeadline) { self.items.append((item, self.stream.ends(now: now))) }

    mutating func pop(at now: NIODeadline) -> Item? {
        guard let first = self.items.first, first.time <= now else { return nil }
        _ = self.items.popFirst()
        if case .bytes(let bytes) = first.item { self.held -= bytes.readableBytes }
        return first.item
    }

    /// Nobody is there any more to hear of it.
    mutating func drop() {
        self.items = []
        self.held = 0
        self.timer?.cancel()
        self.timer = nil
    }
}
