// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

// What a request, in a packet or as an upgrade, leads to.
extension JET.RelayMachine {
    /// Where an accepter of version 2 may wait.
    ///
    /// - Parameter byPacket: whether it asked with a packet, which candidates for WebSockets do not take.
    func placeToAccept(_ id: UUID, _ candidate: UUID, byPacket: Bool) throws(Refusal) -> CandidateKey {
        guard let association = self.associations[id], association.version == JET.Version.two
        else { throw .badRequest }
        guard let row = association.candidates.firstIndex(where: { $0.id == candidate }) else { throw .unknown }
        guard association.candidates[row].takesPackets || !byPacket else { throw .badRequest }
        switch association.candidates[row].state {
        case .initial, .accepted, .final: break
        case .claimed, .connected: throw .badRequest
        }
        return CandidateKey(association: id, serial: association.serial, row: row)
    }

    /// The accepter that a connecter asks for.
    func partner(
        _ id: UUID, _ candidate: UUID, version: UInt32, byPacket: Bool
    ) throws(Refusal) -> (place: CandidateKey, back: CarrierID) {
        let isFirstRelay = self.configuration.dialect == .relay2018
        guard let association = self.associations[id] else { throw isFirstRelay ? .badRequest : .unknown }
        guard association.version == version else { throw .badRequest }
        let wanted: UUID = version == JET.Version.one ? .zero : candidate
        guard let row = association.candidates.firstIndex(where: { $0.id == wanted }) else { throw .unknown }
        guard association.candidates[row].takesPackets || !byPacket else { throw .badRequest }
        switch association.candidates[row].state {
        case .accepted(let back): return (CandidateKey(association: id, serial: association.serial, row: row), back)
        case .initial, .claimed, .connected: throw .badRequest
        case .final: throw isFirstRelay ? .badRequest : .unknown
        }
    }

    /// The newer accepter of a candidate takes the place of the older one.
    mutating func replace(_ older: CarrierID?, by carrier: CarrierID, at place: CandidateKey, now: NIODeadline) {
        self.startWaiting(carrier, at: place, now: now)
        if let older { self.end(older, .finished) }
    }

    mutating func join(_ front: CarrierID, _ back: CarrierID, at place: CandidateKey) {
        self.setState(.connected(front: front, back: back), at: place)
        self.carriers[front]?.place = place
        let pair = RendezvousAction.Pair(
            front: front, back: back, fromFront: self.takeInput(of: front), fromBack: self.takeInput(of: back),
            meeting: place.association.jetText)
        self.move(front, to: .joining)
        self.move(back, to: .joining)
        self.actions.append(.pair(pair))
    }

    private mutating func takeInput(of carrier: CarrierID) -> ByteBuffer {
        let input = self.carriers[carrier]?.input ?? ByteBuffer()
        self.carriers[carrier]?.input = ByteBuffer()
        return input
    }
}
