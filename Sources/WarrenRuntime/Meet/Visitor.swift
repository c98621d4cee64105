// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// A carrier at a ``RendezvousService``, from its arrival until it has a partner.
final class Visitor<Machine: RendezvousMachine & SendableMetatype>: LegEvents {
    let id: CarrierID
    let leg: any Leg
    private let place: RendezvousService<Machine>
    /// The machine has answered it.
    var isAnswered = false

    init(_ id: CarrierID, _ leg: any Leg, at place: RendezvousService<Machine>) {
        self.id = id
        self.leg = leg
        self.place = place
    }

    /// What it sends from here on waits in the system for its partner. Behind a pipeline of handlers it must be read, or
    /// its end would not be seen: the machine keeps it.
    func park() { if self.leg.plainSocket != nil { self.leg.setReading(false) } }

    var needs: LegNeeds { [.ownBytes, .earlyEnd] }

    func received(_ bytes: ByteBuffer, by leg: any Leg) { self.place.received(bytes, from: self) }
    func receivedBurst(by leg: any Leg) {}
    func finished(by leg: any Leg) { self.place.left(self) }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) {}

    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        leg.events = nil
        self.place.gone(self)
    }
}

@available(*, unavailable)
extension Visitor: Sendable {}
