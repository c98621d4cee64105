// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// What one stream of an extension with windows may send and has sent, and how it leaves.
package struct WindowedStream {
    /// What the peer may send ahead of our reader.
    package var share = Windows.Share()
    /// What the peer's window lets us send.
    package var credit = Int.max
    /// We have said that we will send no more.
    package var saidFinish = false
    /// What the reset says that follows what is queued.
    package var fault: StreamFault?
    fileprivate var isCreditDue = false

    package init() {}

    /// What is queued will not be sent: the stream leaves with a fault, and the peer's window is used up.
    package var isCutOff: Bool { self.fault != nil && self.credit == 0 }

    /// The peer lets us send more.
    ///
    /// - Parameter most: how much that may be in all.
    /// - Throws: if it is more.
    package mutating func grant(_ bytes: Int, most: Int) throws(WireError) {
        guard bytes <= most - self.credit else { throw WireError(.tooLong, in: "credit.bytes", found: "\(bytes)") }
        self.credit += bytes
    }

    /// Whoever used the stream is done with it.
    ///
    /// - Returns: whether the reset goes now; else it follows what is queued: all of that if the end is orderly, and before
    ///   a fault as much as the peer's window takes.
    package mutating func resetsAtOnce(_ fault: StreamFault?, queued: Int) -> Bool {
        guard fault?.comesBehindBytes ?? true, queued > 0, fault == nil || self.credit > 0 else { return true }
        self.fault = fault
        return false
    }
}

/// The windows of a session between two Warrens, the credit that is due, and whether the peer is still there.
///
/// Credit comes of what a reader takes, behind which no step may follow: it is due at the next turn.
package struct CreditLedger {
    package var windows: Windows
    package private(set) var keepAlive: KeepAliveTimer
    /// Rows of streams whose peer is to be given credit.
    private var creditors = ContiguousArray<Int>()

    package init(_ limits: SessionLimits, now: NIODeadline) {
        self.windows = Windows(limits)
        self.keepAlive = KeepAliveTimer(now: now)
    }

    package var isDue: Bool { !self.creditors.isEmpty }

    /// A reader has taken so many bytes.
    package mutating func consumed(_ count: Int, of stream: inout WindowedStream, row: Int) {
        guard self.windows.consumed(count, of: &stream.share), !stream.isCreditDue else { return }
        stream.isCreditDue = true
        self.creditors.append(row)
    }

    /// A row whose stream may be due; nil when there is none left.
    package mutating func popCreditor() -> Int? { self.creditors.popLast() }

    /// The credit that a stream is to be given now, and counts as given; 0 if it is due none.
    package mutating func credit(_ stream: inout WindowedStream, now: NIODeadline) -> Int {
        guard stream.isCreditDue else { return 0 }
        stream.isCreditDue = false
        return self.windows.credit(&stream.share, roundTrip: self.keepAlive.roundTrip, now: now)
    }

    // MARK: The peer

    /// Any byte is a sign of life.
    package mutating func heard() { self.keepAlive.heard() }

    package mutating func isPeerGone(now: NIODeadline) -> Bool { self.keepAlive.isDead(now: now) }

    /// The number of a ping that is due to a peer that is silent.
    package mutating func ask(now: NIODeadline) -> UInt64? { self.keepAlive.ask(now: now) }

    /// The number of a ping that measures the round trip; nil if none is due.
    package mutating func measure(now: NIODeadline) -> UInt64? { self.keepAlive.measure(now: now) }

    package mutating func answered(_ number: UInt64, now: NIODeadline) { self.keepAlive.answered(number, now: now) }
}
