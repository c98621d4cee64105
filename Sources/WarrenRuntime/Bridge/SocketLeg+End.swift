// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore
import WarrenLoop

// How a plain connection ends: in one direction, in order, or with a reset.
extension SocketLeg {
    package func finish() {
        guard self.ending == .open else { return }
        self.ending = .finished
        if self.hasUnsent { self.flush() } else { self.queueLeft() }
    }

    package func end(_ fault: StreamFault?) {
        guard self.ending != .gone, self.ending != .closing || fault != nil else { return }
        if let fault {
            self.flush()  // what came just before
            return self.close(fault)
        }
        self.ending = .closing
        if self.hasUnsent { self.flush() } else { self.queueLeft() }
        if self.ending == .closing && self.hasUnsent { self.waitForReader() }
    }

    /// Everything that was written is with the system.
    func queueLeft() {
        switch self.ending {
        case .open, .gone: return
        case .finished:
            if self.inputEnded { self.closeWhenTaken() } else { self.socket.shutOutput() }
        case .closing:
            guard !self.isLingering else { return }
            if self.inputEnded { self.closeWhenTaken() } else { self.linger() }
        }
    }

    /// After the last byte a peer may still be sending: its bytes are read and dropped for a while, because closing
    /// over unread bytes would reset the connection and destroy what the peer has not read yet.
    private func linger() {
        self.isLingering = true
        self.socket.shutOutput()
        self.hasBegun = true
        self.isReading = true
        if self.socket.isReadable { self.socket.again() }
        if self.hasDroppedEnough { self.leaveSoon() } else { self.lookAgain { self.closeWhenTaken() } }
    }

    private var hasDroppedEnough: Bool { self.dropped >= SocketOptions.mostDropped }

    /// A peer that sends much behind our end is not to send for nobody: it waits while our last words are on their way,
    /// and is reset then.
    func drop(_ count: Int) {
        self.dropped += count
        if self.hasDroppedEnough { self.leaveSoon() }
    }

    private func leaveSoon() {
        self.isReading = false
        guard self.isLingering else { return }
        if self.socket.unsent == 0 { return self.close() }
        self.lookAgain(in: SocketOptions.lastWordsTime) { self.closeWhenTaken() }
    }

    /// Closes when the peer has been sent everything.
    ///
    /// A connection that nobody holds any more is given up by the system when its reader takes nothing for some minutes
    /// (Linux: when its probes of a full window have become rare), and a paused reader would lose the rest.
    func closeWhenTaken() {
        let unsent = self.socket.unsent
        guard unsent > 0 else { return self.close() }
        if !self.isLingering {
            self.ending = .closing
            self.isLingering = true
            self.socket.shutOutput()
        }
        guard self.readerMoves(unsent) else { return self.close(.timedOut) }
        let pause = self.hasDroppedEnough ? SocketOptions.lastWordsTime : SocketOptions.lingerTime
        self.lookAgain(in: pause) { self.closeWhenTaken() }
    }

    /// A peer may take its time with what is queued for it, but not for ever without taking anything.
    private func waitForReader() {
        guard self.readerMoves(self.queue.count + self.piped) else { return self.close(.timedOut) }
        self.lookAgain { self.waitForReader() }
    }

    /// Whether the reader has taken something lately.
    private func readerMoves(_ left: Int) -> Bool {
        if left != self.leftForReader.count { self.leftForReader = (left, self.loop.now) }
        guard let timeout = self.loop.readerTimeout else { return true }
        return self.loop.now - self.leftForReader.since < timeout
    }

    private func lookAgain(in pause: TimeAmount = SocketOptions.lingerTime, _ action: @escaping () -> Void) {
        self.timer?.cancel()
        self.timer = self.loop.timer(in: pause, action)
    }

    /// A write comes before the reads and finds the peer's reset first. An answer that stands before it is passed on: its
    /// end is the reset, not the end of input that the system tells of once it has named the error.
    func isBroken(by code: CInt) {
        self.queue.removeAll()
        self.dropPipe()
        guard self.needs.contains(.lastWords), self.isReading, self.hasBegun, !self.inputEnded, self.ending != .closing
        else { return self.failed(code) }
        self.brokenBy = code
        self.socket.mustBeRead()
    }

    func failed(_ code: CInt) {
        // While it only lingers, everything has left and the peer may do as it likes.
        self.finishClosing(self.isLingering ? nil : StreamFault(reading: code), reset: false)
    }

    func close(_ fault: StreamFault? = nil) { self.finishClosing(fault, reset: fault != nil) }

    private func finishClosing(_ fault: StreamFault?, reset: Bool) {
        guard self.ending != .gone else { return }
        self.ending = .gone
        self.fault = fault
        self.timer?.cancel()
        self.timer = nil
        self.lossWatch?.stop()
        self.lossWatch = nil
        self.queue.removeAll()
        self.dropPipe()
        self.socket.close(reset: reset)
        self.onClose?()
        self.onClose = nil
        if self.hasBegun { self.events?.ended(self, fault) }
    }
}
