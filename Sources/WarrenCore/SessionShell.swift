// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// What a machine has in hand until its login is through or its carrier is handed over, and how it leaves.
///
/// ```
/// open --last words--> parting --the close--> over
///   +-- close, hand-over, the end of its one stream --> over
/// ```
///
/// Whatever leaves holds no bytes and no deadline, and nothing comes of it any more: a machine says so once.
package struct SessionShell {
    /// What a machine does in a step.
    package enum Turn {
        case open
        /// What was to be done in time was not.
        case late
        /// The close behind the last words, or nothing.
        case over(SessionAction?)
    }

    private enum State {
        case open
        case parting(CloseReason)
        case over
    }

    /// Bytes of the carrier that nobody has read.
    package var input = ByteBuffer()
    /// When what is under way must be done.
    package var deadline: NIODeadline?
    /// The peer will send no more.
    package private(set) var hasEnded = false
    private var state = State.open

    package init() {}

    package var isOpen: Bool { if case .open = self.state { true } else { false } }

    package mutating func receive(_ bytes: ByteBuffer) {
        if self.isOpen { self.input.take(bytes) }
    }

    package mutating func receiveEnd() { self.hasEnded = true }

    /// To be asked first in every step.
    package mutating func turn(now: NIODeadline) -> Turn {
        switch self.state {
        case .open: self.deadline.map { $0 <= now } ?? false ? .late : .open
        case .parting(let reason): .over(self.close(reason))
        case .over: .over(nil)
        }
    }

    /// The login is through.
    ///
    /// - Returns: what the peer sent right behind it.
    package mutating func pass() -> ByteBuffer {
        defer { self.input = ByteBuffer() }
        self.deadline = nil
        return self.input
    }

    // MARK: Leaving

    package mutating func close(_ reason: CloseReason) -> SessionAction {
        self.leave(.over)
        return .close(reason)
    }

    /// Says a last word; the close is the next step.
    package mutating func close(_ reason: CloseReason, saying bytes: ByteBuffer) -> SessionAction {
        self.leave(.parting(reason))
        return .write(bytes)
    }

    /// The carrier is the stream from here on, with what has come of it.
    package mutating func handOver(_ stream: StreamID) -> SessionAction {
        let leftover = self.input
        self.leave(.over)
        return .handOver(stream, leftover: leftover)
    }

    /// Ends the one stream that the session is for.
    package mutating func end(_ stream: StreamID, _ fault: StreamFault) -> SessionAction {
        self.leave(.over)
        return .end(stream, fault)
    }

    private mutating func leave(_ state: State) {
        self.state = state
        self.deadline = nil
        self.input = ByteBuffer()
    }
}
