// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// What the target of a waiting accepter has said and the carrier has not taken.
struct TargetQueue {
    private enum Flow {
        case open
        /// The target is to be told.
        case full
        case paused
    }

    private let stream: StreamID
    private var chunks = CircularBuffer<ByteBuffer>()
    private var queued = 0
    private var flow = Flow.open
    /// Bytes that have left, and cannot be taken back.
    private(set) var written = 0
    /// The target says no more.
    var isFinished = false

    init(_ stream: StreamID) { self.stream = stream }

    var isEmpty: Bool { self.chunks.isEmpty }
    var hasRoom: Bool { self.flow == .open }

    mutating func append(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0, !self.isFinished else { return }
        self.chunks.append(bytes)
        self.queued += bytes.readableBytes
        if self.queued >= JET.AcceptMachine.mostUnanswered, self.flow == .open { self.flow = .full }
    }

    mutating func next(writable: Bool) -> SessionAction? {
        if self.flow == .full {
            self.flow = .paused
            return .pause(self.stream)
        }
        if writable, let chunk = self.chunks.popFirst() {
            self.queued -= chunk.readableBytes
            self.written += chunk.readableBytes
            return .write(chunk)
        }
        if self.flow == .paused, self.queued <= JET.AcceptMachine.mostUnanswered / 2 {
            self.flow = .open
            return .resume(self.stream)
        }
        return nil
    }
}
