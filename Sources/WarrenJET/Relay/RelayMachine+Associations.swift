// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension JET.RelayMachine {
    func candidate(at place: CandidateKey) -> Candidate? {
        guard let association = self.associations[place.association], association.serial == place.serial
        else { return nil }
        return association.candidates[place.row]
    }

    mutating func setState(_ state: Candidate.State, at place: CandidateKey) {
        self.associations[place.association]?.candidates[place.row].state = state
    }

    /// - Returns: its serial number.
    mutating func create(_ id: UUID, version: UInt32, now: NIODeadline) -> UInt64 {
        self.serial += 1
        var association = Association(version: version, serial: self.serial, created: now, candidates: [])
        if version == JET.Version.one {
            association.candidates.append(Candidate(id: .zero, endpoint: nil, url: nil))
        } else {
            self.called += 1
            self.lives.append(Life(association: id, serial: self.serial), due: now + self.configuration.timeout)
        }
        self.associations[id] = association
        return self.serial
    }

    /// The accepter or the session of this place is gone.
    mutating func vacate(_ place: CandidateKey) {
        guard let association = self.associations[place.association] else { return }
        guard association.version != JET.Version.one else {
            self.associations[place.association] = nil
            return
        }
        self.setState(.final, at: place)
        if association.isOverdue, self.associations[place.association]?.isConnected == false {
            self.remove(place.association)
        }
    }

    /// The time of an association is over.
    mutating func lapse(_ id: UUID) {
        guard self.associations[id]?.isConnected == true else { return self.remove(id) }
        self.associations[id]?.isOverdue = true
        self.dropLife()
    }

    private mutating func remove(_ id: UUID) {
        guard let association = self.associations.removeValue(forKey: id) else { return }
        self.called -= 1
        if !association.isOverdue { self.dropLife() }
        for candidate in association.candidates {
            if let carrier = candidate.state.waiting { self.end(carrier, .timedOut(phase: "waiting for a partner")) }
        }
    }
}

extension WireError {
    static func earlyBytes(_ count: Int) -> WireError {
        WireError(.tooLong, in: "early bytes", found: "\(count) > \(Carrier.mostHeld)")
    }
}
