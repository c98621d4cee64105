// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// Drives a ``RendezvousMachine`` over the carriers of all its listeners: the service that joins peers who can only
/// dial out.
///
/// Carriers arrive and wait on one loop, where the machine lives. Two that have met are one relay from then on, without
/// any cost of the protocol; relays of plain connections are spread over all loops.
package final class RendezvousService<Machine: RendezvousMachine & SendableMetatype>: NodeComponent, @unchecked Sendable
{
    // Sendable: the constants are, and all state is touched on `loop` only (asserted where it is entered).
    package var name: String { self.label.inbound }
    package let loop: SocketLoop
    private let loops: Loops
    private let label: StreamLabel
    private let unit: UnitTag?
    private let reporter: Reporter
    private var machine: Machine
    private var visitors: [CarrierID: Visitor<Machine>] = [:]
    private var lastID: UInt64 = 0
    private var isTurning = false
    private var isRetiring = false
    private var isStopped = false
    private var alarm: LoopTimer?

    package init(
        _ machine: Machine, name: String, protocol: String, loops: Loops, unit: UnitTag? = nil, reporter: Reporter
    ) {
        self.unit = unit
        self.machine = machine
        self.loops = loops
        self.loop = loops.next()
        self.label = StreamLabel(inbound: name, protocol: `protocol`, outbound: name)
        self.reporter = reporter
    }

    package func start() -> EventLoopFuture<Void> { self.loop.makeSucceededVoidFuture() }

    package func retire() { self.loop.execute { self.isRetiring = true } }

    package func stop() {
        self.loop.execute {
            self.isRetiring = true
            self.isStopped = true
            self.alarm?.cancel()
            self.alarm = nil
            for visitor in self.visitors.values {
                self.dismiss(visitor, .aborted)
                self.machine.leave(visitor.id)
            }
            self.turn()
        }
    }

    /// Whether nobody waits here, nor anything for a time.
    var isEmpty: Bool { self.visitors.isEmpty && self.alarm == nil }

    /// Takes an accepted connection.
    package func arrive(_ leg: any Leg) {
        self.loop.preconditionInEventLoop()
        guard !self.isRetiring else { return leg.discard() }
        let visitor = self.admit(leg)
        leg.events = visitor
        self.machine.arrive(visitor.id, from: Self.address(of: leg.peer), now: self.loop.now)
        leg.begin()
        self.turn()
    }

    /// Says something to the machine that is no carrier's business, and does what follows.
    package func tell<Answer>(_ command: (inout Machine, NIODeadline) -> Answer) -> Answer {
        self.loop.preconditionInEventLoop()
        defer { self.turn() }
        return command(&self.machine, self.loop.now)
    }

    /// Somebody who spoke no protocol of ours.
    package func stranger(_ peer: SocketAddress?, saying what: String, isWorthALook: Bool = true) {
        self.reporter.emit(.stranger(inbound: self.label.inbound, peer: peer, saying: what, isWorthALook: isWorthALook))
    }

    private func admit(_ leg: any Leg) -> Visitor<Machine> {
        self.lastID += 1
        let visitor = Visitor(CarrierID(self.lastID), leg, at: self)
        self.visitors[visitor.id] = visitor
        return visitor
    }

    /// Loopback is this machine: whoever comes from there comes by way of something that runs here.
    package static func address(of peer: SocketAddress?) -> IPAddress? {
        guard let address = peer.flatMap({ IPAddress($0) }), AddressClass(address) != .loopback else { return nil }
        return address
    }
}

// MARK: - Carriers that are not bytes yet

extension RendezvousService {
    /// Names a carrier before it is there: a WebSocket that is asked for.
    package func expect() -> CarrierID {
        self.lastID += 1
        return CarrierID(self.lastID)
    }

    /// The carrier that was expected is there, and the machine knows what it is for.
    ///
    /// - Parameter command: tells the machine; false if it has given up waiting.
    package func arrive(_ leg: any Leg, as id: CarrierID, _ command: (inout Machine) -> Bool) {
        self.loop.preconditionInEventLoop()
        guard !self.isRetiring else {
            leg.discard()
            self.machine.leave(id)
            return self.turn()
        }
        guard command(&self.machine) else {
            leg.discard()
            return self.turn()
        }
        let visitor = Visitor(id, leg, at: self)
        self.visitors[id] = visitor
        leg.events = visitor
        leg.begin()
        self.turn()
    }
}

// MARK: - The turn

extension RendezvousService {
    func received(_ bytes: ByteBuffer, from visitor: Visitor<Machine>) {
        self.machine.receive(bytes, from: visitor.id)
        self.turn()
    }

    func left(_ visitor: Visitor<Machine>) {
        self.machine.leave(visitor.id)
        self.turn()
    }

    func gone(_ visitor: Visitor<Machine>) {
        self.visitors[visitor.id] = nil
        self.left(visitor)
    }

    private func turn() {
        guard !self.isTurning else { return }
        self.isTurning = true
        let now = self.loop.now
        while let action = self.machine.next(now: now) { self.perform(action) }
        self.isTurning = false
        self.setAlarm()
    }

    private func setAlarm() {
        guard !self.isStopped, let deadline = self.machine.deadline else { return }
        if let alarm, alarm.deadline <= deadline { return }
        self.alarm?.cancel()
        self.alarm = self.loop.timer(at: deadline) {
            self.alarm = nil
            self.turn()
        }
    }

    private func perform(_ action: RendezvousAction) {
        switch action {
        case .write(let id, let bytes):
            guard let visitor = self.visitors[id] else { return }
            visitor.isAnswered = true
            visitor.leg.write(bytes)
            visitor.leg.flush()
        case .park(let id): self.visitors[id]?.park()
        case .pair(let pair): self.join(pair)
        case .close(let id, let reason):
            guard let visitor = self.visitors[id] else { return }
            if reason != .finished {
                self.stranger(visitor.leg.peer, saying: "\(reason)", isWorthALook: reason.isWorthALook)
            }
            self.dismiss(visitor, nil)
        }
    }

    private func dismiss(_ visitor: Visitor<Machine>, _ fault: StreamFault?) {
        self.visitors[visitor.id] = nil
        visitor.leg.events = nil
        visitor.leg.end(fault)
    }
}

// MARK: - Joining

extension RendezvousService {
    private func join(_ pair: RendezvousAction.Pair) {
        let front = self.visitors.removeValue(forKey: pair.front)
        let back = self.visitors.removeValue(forKey: pair.back)
        guard let front, let back else {
            // One of them went in this very turn: the machine has been told.
            for visitor in [front, back].compactMap({ $0 }) { self.dismiss(visitor, .aborted) }
            return self.ended(pair)
        }
        front.leg.events = nil
        back.leg.events = nil
        let target = self.loops.next()
        guard target !== self.loop, let one = front.leg.plainSocket, let two = back.leg.plainSocket, one.canMove,
            two.canMove
        else { return self.relay(pair, front.leg, back.leg, isAnswered: front.isAnswered, on: self.loop) }
        let (loose, other) = (one.detach(), two.detach())
        let isAnswered = front.isAnswered
        target.execute {
            let (one, two) = (loose.attach(to: target), other.attach(to: target))
            guard let one, let two else {
                one?.discard()
                two?.discard()
                return self.ended(pair)
            }
            self.relay(pair, one, two, isAnswered: isAnswered, on: target)
        }
    }

    /// On `loop`, which may be another one than that of the machine.
    ///
    /// - Parameter isAnswered: the front has just got its reply.
    private func relay(
        _ pair: RendezvousAction.Pair, _ front: any Leg, _ back: any Leg, isAnswered: Bool, on loop: SocketLoop
    ) {
        let registry = self.loops.registry(on: loop)
        let (label, reporter) = (self.label, self.reporter)
        let request = StreamRequest(.meeting(pair.meeting), source: front.peer)
        var ticket: LoopRegistry.Ticket?
        let relay = Bridge(front: front, back: back, on: loop) { report in
            if let ticket { registry.remove(ticket) }
            reporter.emit(.streamEnded(label, request, report, user: nil))
            self.ended(pair)
        }
        relay.opening = StreamOpening(request, from: StreamSource(label, self.unit))
        ticket = registry.insert(relay)
        front.setReading(true)
        front.unread(pair.fromFront)
        // Who has spoken behind its request speaks first, or does not wait for the reply.
        if isAnswered, pair.fromFront.readableBytes == 0 {
            return ReplyGuard.begin(relay, from: front, to: back, early: pair.fromBack, on: loop)
        }
        back.setReading(true)
        back.unread(pair.fromBack)
        relay.begin()
    }

    private func ended(_ pair: RendezvousAction.Pair) {
        self.loop.execute {
            self.machine.leave(pair.front)
            self.machine.leave(pair.back)
            self.turn()
        }
    }
}
