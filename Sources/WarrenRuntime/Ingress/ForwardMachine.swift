// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// The inbound without a protocol: every connection is one stream to one target.
package struct ForwardMachine: SessionMachine {
    private enum Phase: Equatable {
        case idle
        case starting
        case opening
        case accepted
        case refused(StreamFault)
        case over
    }

    private static let stream = StreamID(0)
    private let target: Destination
    private var phase = Phase.idle
    private var early = ByteBuffer()

    package init(target: Destination) { self.target = target }

    package var deadline: NIODeadline? { nil }
    /// What the user says waits in the kernel until there is somebody to hear it.
    package var wantsBytes: Bool { false }

    package mutating func start(now: NIODeadline) { self.phase = .starting }
    package mutating func receive(_ bytes: ByteBuffer) { self.early.take(bytes) }
    package mutating func receiveEnd() {}
    package mutating func accept(_ stream: StreamID) { if self.phase == .opening { self.phase = .accepted } }
    package mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        if self.phase != .over { self.phase = .refused(fault ?? .failed) }
    }

    package mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        switch self.phase {
        case .starting:
            self.phase = .opening
            return .open(Self.stream, StreamRequest(self.target))
        case .accepted:
            self.phase = .over
            defer { self.early = ByteBuffer() }
            return .handOver(Self.stream, leftover: self.early)
        case .refused(let fault):
            self.phase = .over
            // There are no words for it: an orderly end would be an answer, an empty one.
            return .close(.cutOff(fault))
        case .idle, .opening, .over:
            return nil
        }
    }
}
