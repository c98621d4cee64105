// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension JET.RelayMachine {
    /// Changes a carrier's phase, and with it what is counted and timed; nil forgets it.
    mutating func move(_ carrier: CarrierID, to phase: Carrier.Phase?) {
        guard let row = self.carriers[carrier] else { return }
        if let phase { self.carriers[carrier]?.phase = phase } else { self.carriers[carrier] = nil }
        switch (row.phase.isPending, phase?.isPending ?? false) {
        case (false, true): self.count(1, row.address)
        case (true, false): self.count(-1, row.address)
        case (false, false), (true, true): break
        }
        if row.phase.isHandshake, phase?.isHandshake != true { self.dropHandshake() }
        if row.phase == .waiting, phase != .waiting { self.dropWait() }
    }

    private mutating func count(_ change: Int, _ address: IPAddress?) {
        self.waiting += change
        guard let address else { return }
        let count = self.waitingFrom[address, default: 0] + change
        self.waitingFrom[address] = count == 0 ? nil : count
    }

    private mutating func dropHandshake() {
        let carriers = self.carriers
        self.handshakes.drop { carriers[$0]?.phase.isHandshake == true }
    }

    private mutating func dropWait() {
        let carriers = self.carriers
        self.waits.drop { carriers[$0]?.phase == .waiting }
    }

    mutating func dropLife() {
        let associations = self.associations
        self.lives.drop { life in
            guard let association = associations[life.association] else { return false }
            return association.serial == life.serial && !association.isOverdue
        }
    }

    /// Whether one more may wait.
    ///
    /// - Parameter address: nil where addresses do not count.
    func hasRoom(from address: IPAddress?, replacing: CarrierID? = nil) -> Bool {
        let before = replacing.flatMap { self.carriers[$0] }
        let all = self.waiting + self.called - (before == nil ? 0 : 1)
        guard all < self.configuration.maxPending else { return false }
        guard let address else { return true }
        let same = self.waitingFrom[address, default: 0] - (before?.address == address ? 1 : 0)
        return same < self.configuration.maxPendingPerAddress
    }

    mutating func startWaiting(_ carrier: CarrierID, at place: CandidateKey, now: NIODeadline) {
        self.move(carrier, to: .waiting)
        self.waits.append(carrier, due: now + self.configuration.timeout)
        self.carriers[carrier]?.place = place
        self.carriers[carrier]?.shrinkInput()
        self.setState(.accepted(carrier), at: place)
        let held = self.carriers[carrier]?.input.readableBytes ?? 0
        if held > Carrier.mostHeld { return self.end(carrier, .violation(.earlyBytes(held))) }
        self.actions.append(.park(carrier))
    }

    /// Ends a carrier that is not in a session, with all that it held.
    mutating func end(_ carrier: CarrierID, _ reason: CloseReason) {
        guard let row = self.carriers[carrier] else { return }
        self.move(carrier, to: nil)
        if let place = row.place, let state = self.candidate(at: place)?.state {
            if state.waiting == carrier {
                self.vacate(place)
            } else if case .claimed(carrier, let back) = state {
                self.setState(.accepted(back), at: place)
            }
        }
        self.actions.append(.close(carrier, reason))
    }

    mutating func endSession(of carrier: CarrierID, _ row: Carrier) {
        guard let place = row.place, case .connected(let front, let back)? = self.candidate(at: place)?.state
        else { return self.end(carrier, .finished) }
        self.move(front, to: nil)
        self.move(back, to: nil)
        self.vacate(place)
        guard row.phase == .joining else { return }
        for each in [front, back] {
            self.actions.append(.close(each, each == carrier ? .finished : .carrierLost("its partner left")))
        }
    }
}
