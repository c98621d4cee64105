// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension KCP {
    public enum Command: UInt8, Hashable, Sendable {
        /// Carries data.
        case push = 81
        /// Acknowledges one segment.
        case ack = 82
        /// Asks for the window.
        case ask = 83
        /// Tells the window.
        case tell = 84
    }

    /// What stands before the data of a segment.
    public struct Header: Hashable, Sendable {
        public var conversation: UInt32
        public var command: Command
        /// Segments of the same message that follow; 0 in a stream.
        public var fragment: UInt8
        /// Segments that the sender still has room for.
        public var window: UInt16
        /// The sender's clock in milliseconds; in an ACK that of the acknowledged segment, given back.
        public var stamp: UInt32
        public var number: UInt32
        /// The next number the sender waits for: it has everything before.
        public var awaited: UInt32

        public init(
            conversation: UInt32 = 0, command: Command, fragment: UInt8 = 0, window: UInt16, stamp: UInt32 = 0,
            number: UInt32 = 0, awaited: UInt32
        ) {
            self.conversation = conversation
            self.command = command
            self.fragment = fragment
            self.window = window
            self.stamp = stamp
            self.number = number
            self.awaited = awaited
        }
    }

    public struct Segment: Hashable, Sendable {
        public var header: Header
        public var data: ByteBuffer

        public init(_ header: Header, data: ByteBuffer = ByteBuffer()) {
            self.header = header
            self.data = data
        }
    }
}
