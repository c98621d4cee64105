// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenLoop

/// The sockets of a UDP port that takes nobody any more, one for each loop. They close together, behind the last conversation of
/// all: the system spreads the peers among those that there are, so each must stay. Before that the port can be taken over.
final class UDPDrain: Sendable {
    private enum Phase {
        case open
        case draining
        /// Somebody will take the port over, or let go of it.
        case kept
        case closed
    }

    private struct Door {
        let loop: SocketLoop
        let door: NIOLoopBound<UDPDoor>
    }

    private struct State {
        var phase = Phase.open
        var doors: [Door] = []
        /// Numbers of doors that have conversations, or have not said yet that they have none.
        var busy: Set<Int> = []
        /// Who is told of the end.
        var onClose: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var isDraining: Bool { self.state.withLock { $0.phase == .draining } }
    var isClosed: Bool { self.state.withLock { $0.phase == .closed } }

    /// - Returns: the number of a door. On its loop.
    func join(_ door: UDPDoor, on loop: SocketLoop) -> Int {
        let bound = NIOLoopBound(door, eventLoop: loop)
        return self.state.withLock { state in
            state.doors.append(Door(loop: loop, door: bound))
            return state.doors.count - 1
        }
    }

    /// All doors are about to be stopped.
    func begin() {
        self.state.withLock { state in
            guard state.phase == .open, !state.doors.isEmpty else { return }
            state.phase = .draining
            state.busy = Set(state.doors.indices)
        }
    }

    /// A door that was stopped has no conversation any more.
    func emptied(_ number: Int) {
        self.change { $0.busy.remove(number) }
    }

    /// - Returns: false if it is too late, or nothing was to be closed.
    func keep() -> Bool {
        self.state.withLock { state in
            guard state.phase == .draining else { return false }
            state.phase = .kept
            return true
        }
    }

    /// The port is not taken over.
    func letGo() { self.change { if $0.phase == .kept { $0.phase = .draining } } }

    /// The port is taken over.
    func reopen() {
        self.state.withLock { state in
            guard state.phase == .kept else { return }
            state.phase = .open
            state.onClose = nil
        }
    }

    /// Tells, once, that it drains no more and its port will be free; not where the port is taken over before.
    func whenClosed(_ tell: @escaping @Sendable () -> Void) {
        let isClosed = self.state.withLock { state in
            if state.phase != .closed { state.onClose = tell }
            return state.phase == .closed
        }
        if isClosed { tell() }
    }

    private func change(_ change: (inout State) -> Void) {
        let (doors, onClose) = self.state.withLock { state -> ([Door], (@Sendable () -> Void)?) in
            change(&state)
            guard state.phase == .draining, state.busy.isEmpty else { return ([], nil) }
            state.phase = .closed
            defer { (state.doors, state.onClose) = ([], nil) }
            return (state.doors, state.onClose)
        }
        for one in doors { one.loop.execute { one.door.value.close() } }
        onClose?()
    }
}
