// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What two peers name to be joined. In version 1 it has one candidate, and lives as long as the accepter or the session.
struct Association: Sendable {
    /// More than any relay has listeners.
    static let mostCandidates = 16

    let version: UInt32
    /// Tells it from another one that had the same name before.
    let serial: UInt64
    let created: NIODeadline
    /// Its time was over while somebody was connected: it goes with the last session.
    var isOverdue = false
    var candidates: ContiguousArray<Candidate>

    var isConnected: Bool {
        self.candidates.contains { if case .connected = $0.state { true } else { false } }
    }
}

/// A place to meet within an association.
///
/// ```
/// initial --accept--> accepted --connect--> connected --end--> final --accept--> accepted …
///                      |  ^  |                                    ^
///          upgrade asked  |  +-- accepter gone, its time over ----+
///                      v  | connecter gone before its upgrade
///                     claimed --upgraded--> connected
/// ```
struct Candidate: Sendable {
    enum State: Hashable, Sendable {
        case initial
        case accepted(CarrierID)
        case claimed(front: CarrierID, back: CarrierID)
        case connected(front: CarrierID, back: CarrierID)
        case final

        /// Who waits here.
        var waiting: CarrierID? {
            switch self {
            case .accepted(let carrier), .claimed(_, let carrier): carrier
            case .initial, .connected, .final: nil
            }
        }

        /// The word of the listing.
        var listed: String {
            switch self {
            case .initial: "Initial"
            case .accepted, .claimed: "Accepted"
            case .connected: "Connected"
            case .final: "Final"
            }
        }
    }

    /// All zero in version 1.
    let id: UUID
    /// Nil in version 1: wherever the accepter came to.
    let endpoint: JET.Endpoint?
    let url: String?
    var state = State.initial

    /// Whether a packet may name it.
    var takesPackets: Bool { self.endpoint?.scheme.takesPackets ?? true }
}

/// Where a carrier is in the table of associations.
struct CandidateKey: Hashable, Sendable {
    let association: UUID
    let serial: UInt64
    /// Candidates keep their row.
    let row: Int
}

/// An association of version 2 whose time runs.
struct Life: Hashable, Sendable {
    let association: UUID
    let serial: UInt64
}

/// One carrier of a relay.
struct Carrier: Sendable {
    enum Phase: Hashable, Sendable {
        case reading
        /// An upgrade was granted; its answer is not out yet.
        case granted(JET.Request.Kind)
        case upgraded(JET.Request.Kind)
        /// An accepter without partner.
        case waiting
        /// Joined, but the driver does not know yet.
        case joining
        case joined

        var isHandshake: Bool {
            switch self {
            case .reading, .granted, .upgraded: true
            case .waiting, .joining, .joined: false
            }
        }

        var isPending: Bool {
            switch self {
            case .waiting, .granted(.accept), .upgraded(.accept): true
            case .reading, .granted, .upgraded, .joining, .joined: false
            }
        }
    }

    /// What one carrier may make us keep.
    static let mostHeld = 64 << 10

    /// For which it counts; nil where addresses do not.
    let address: IPAddress?
    var phase = Phase.reading
    var input = ByteBuffer()
    var place: CandidateKey?
    /// Whether it is in line to be looked at.
    var isQueued = false

    /// Gives up what the input has room for beyond what it holds: it will lie for a while.
    mutating func shrinkInput() {
        if self.input.readableBytes == 0 {
            self.input = ByteBuffer()
        } else if self.input.storageCapacity / 2 > self.input.readableBytes {
            self.input = ByteBuffer(bytes: self.input.readableBytesView)
        }
    }
}
