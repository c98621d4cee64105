// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// What is done to one direction of each TCP connection. Chances are for each block of it.
package struct StreamImpairment: Hashable, Sendable {
    /// Bytes of a stream that draw their fate together.
    package static let block = 16 << 10

    package var delay = TimeAmount.zero
    /// Bytes stay in their order: one that is early waits for those before it.
    package var jitter = TimeAmount.zero
    /// Bytes a second, of each connection; nil for as many as there are.
    package var rate: Int?
    /// Bytes that are on their way at most; then the sender waits.
    package var queue = 4 << 20
    /// Nothing passes for ``stallTime`` from some byte of the block on.
    package var stall = Chance.never
    package var stallTime = TimeAmount.seconds(2)
    /// Both ends see a reset.
    package var reset = Chance.never
    /// The receiver sees an orderly end; what the sender says behind it is dropped.
    package var half = Chance.never

    package init() {}
}

/// What becomes of bytes of a stream, in their order.
package enum StreamStep: Hashable, Sendable {
    /// The next so many bytes arrive.
    case pass(Int, at: NIODeadline)
    /// The receiver is told of an end, and hears no more.
    case cut(at: NIODeadline)
    case reset(at: NIODeadline)
}
