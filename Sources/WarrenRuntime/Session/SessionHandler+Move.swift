// SPDX-License-Identifier: Apache-2.0

import WarrenCore
import WarrenLoop

// A session that is one connection goes where its stream is at home, so that no byte of it crosses between loops.
extension SessionHandler {
    /// Takes the session to the home of the stream that its peer asks for, if it may go there.
    ///
    /// - Returns: false where it stays. Else this handler is over, and nobody hears of it.
    func moves(for request: StreamRequest, _ id: StreamID) -> Bool {
        guard self.machine.mayMove, let loops, let home = self.owner.home(for: request, from: self.loop),
            home !== self.loop, let socket = self.carrier.plainSocket, socket.canMove
        else { return false }
        let (machine, owner) = (self.machine, self.owner)
        let moving = MovingSession(connection: socket.detach()) { carrier, context in
            SessionHandler(machine, on: carrier, owner: owner, context: context).goOn(request, for: id)
        }
        self.leave()
        home.execute { moving.arrive(on: loops.context(on: home)) }
        return true
    }

    /// Goes on with a session that began on another loop.
    fileprivate func goOn(_ request: StreamRequest, for id: StreamID) {
        self.carrier.events = self
        self.registry.insert(self)
        self.carrier.setReading(self.machine.wantsBytes)
        self.carrier.begin()
        guard !self.isOver else { return }
        if self.registry.isDraining { self.machine.reset(id, .shutdown) } else { self.open(request, for: id) }
        self.turn()
    }
}

/// A session between two loops.
private struct MovingSession: @unchecked Sendable {
    // Sendable: the machine in `goOn` is a value that shares nothing (``SessionMachine/mayMove``), the handler that it comes from
    // is over and asks its own copy nothing more, and `goOn` is called once, on the other loop.
    let connection: DetachedConnection
    let goOn: (any Leg, LoopContext) -> Void

    func arrive(on context: LoopContext) {
        guard let leg = self.connection.attach(to: context.loop) else { return }
        self.goOn(leg, context)
    }
}
