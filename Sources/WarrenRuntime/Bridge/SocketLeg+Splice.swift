// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import WarrenLoop

// Long flows between two plain sockets go through a pipe of the system and never enter the process: half the CPU. A
// pipe is taken from the loop's pool while bytes are in flight, and belongs to the leg that they go to.
extension SocketLeg {
    /// Moves what is there on to the target, once.
    ///
    /// - Returns: false when there is no more to be done in this turn.
    func splice(to target: SocketLeg) -> Bool {
        guard !target.hasUnsent, target.ending == .open, target.brokenBy == nil, let pipe = target.openPipe() else {
            self.isSplicing = false
            return true
        }
        let outcome = self.socket.splice(into: pipe, most: Pipe.size)
        if case .moved(let count) = outcome {
            self.judge(count)
            target.tookIntoPipe(count)
            self.events?.spliced(count, by: self)
            return true
        }
        target.returnPipe()
        self.hasRead(outcome)
        return false
    }

    /// A flow that has turned small is cheaper to copy.
    private func judge(_ count: Int) {
        self.streak = count < SocketOptions.worthSplicing ? self.streak + 1 : 0
        guard self.streak >= SocketOptions.smallSplicesToCopy else { return }
        self.isSplicing = false
        self.streak = 0
    }

    private func openPipe() -> Pipe? {
        if self.pipe == nil { self.pipe = self.loop.pipes.take() }
        return self.pipe
    }

    /// Gives an empty pipe back to those who need one next.
    func returnPipe() {
        guard self.piped == 0, let pipe else { return }
        self.pipe = nil
        self.loop.pipes.give(pipe)
    }

    /// Closes the pipe with what is in it.
    func dropPipe() {
        self.returnPipe()
        guard self.pipe != nil else { return }
        self.pipe = nil
        self.piped = 0
        self.loop.pipes.lose()
    }

    /// Moves what is in the pipe into the socket, as far as it takes it.
    func emptyPipe() -> Socket.Outcome {
        guard let pipe else { return .moved(0) }
        let outcome = self.socket.splice(from: pipe, most: self.piped)
        if case .moved(let count) = outcome {
            self.piped -= count
            self.returnPipe()
        }
        return outcome
    }
}
