// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension WebSocks {
    /// What the target has said and the agent may not hear yet.
    struct HeldBytes {
        private enum Flow {
            case open
            /// The target is to be told.
            case full
            case paused
        }

        private var chunks = CircularBuffer<ByteBuffer>()
        private var queued = 0
        private var flow = Flow.open

        var isEmpty: Bool { self.chunks.isEmpty }
        var hasRoom: Bool { self.flow == .open }

        mutating func append(_ bytes: ByteBuffer) {
            guard bytes.readableBytes > 0 else { return }
            self.chunks.append(bytes)
            self.queued += bytes.readableBytes
            if self.queued >= mostEarlyBytes, self.flow == .open { self.flow = .full }
        }

        /// - Parameter isReleased: whether bytes may leave.
        mutating func next(isReleased: Bool) -> SessionAction? {
            if self.flow == .full {
                self.flow = .paused
                return .pause(stream)
            }
            if isReleased, let chunk = self.chunks.popFirst() {
                self.queued -= chunk.readableBytes
                return .write(chunk)
            }
            if self.flow == .paused, self.queued <= mostEarlyBytes / 2 {
                self.flow = .open
                return .resume(stream)
            }
            return nil
        }
    }
}
