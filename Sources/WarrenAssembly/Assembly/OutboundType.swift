// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenRuntime

/// A kind of outbound.
struct OutboundType: Sendable {
    let entry: EntryType
    /// What a stranger on the path could read where the carrier has no TLS; nil if there is no carrier.
    let exposure: String?
    /// Streams need not say where they go.
    let knowsTarget: Bool
    /// Reads the keys of the type; nil after a report. Opens nothing.
    let read: @Sendable (Entry, Configuration.Limits) -> OutboundDraft?

    init(
        _ name: String, authority: String?, path: String? = nil, exposure: String?,
        knowsTarget: Bool = false,
        read: @escaping @Sendable (Entry, Configuration.Limits) -> OutboundDraft?
    ) {
        self.entry = EntryType(name, authority: authority, path: path)
        self.exposure = exposure
        self.knowsTarget = knowsTarget
        self.read = read
    }
}

/// An outbound whose keys are good.
enum OutboundDraft {
    /// Dials every destination itself.
    case direct(DirectDraft)
    /// Keeps a session with a server up.
    case session(SessionDraft)
    /// Put together by its type.
    case made(CustomOutboundDraft)
}

/// An outbound of a kind of its own.
struct CustomOutboundDraft {
    /// What it dials.
    var carriers: [CarrierDraft] = []
    /// Where its peers arrive, if it waits for them; what is built is an ``ArrivingOutbound`` then.
    var arrival: Arrival?
    /// Files that are read again when they change.
    var watched: [FileWatcher.Watched] = []
    let build: @Sendable (BuildContext) -> any WarrenRuntime.Outbound

    init(
        carriers: [CarrierDraft] = [], arrival: Arrival? = nil,
        build: @escaping @Sendable (BuildContext) -> any WarrenRuntime.Outbound
    ) {
        self.carriers = carriers
        self.arrival = arrival
        self.build = build
    }
}

/// What the dialling of `direct` can be told.
struct DirectDraft {
    var bind: IPAddress?
    var prefersIPv4 = false
}

/// A session outbound whose keys are good.
struct SessionDraft {
    var carrier: CarrierDraft
    /// Sessions that it may have at a time; nil for one on each loop.
    var lanes: Int?
    /// Its far end takes every stream to a place that it knows alone.
    var leadsToOnePlace = false
    /// Puts the protocol's handler on a connected carrier.
    let install: @Sendable (any Leg, any SessionOwner, LoopContext) throws -> Void

    /// - Returns: nil after a report.
    init?(
        _ section: Section, defaultPort: UInt16? = nil, needsTLS: Bool = false,
        install: @escaping @Sendable (any Leg, any SessionOwner, LoopContext) throws -> Void
    ) {
        let carrier = section.serverToDial(defaultPort: defaultPort, needsTLS: needsTLS)
        let lanes = section.value("lanes", .lanes, default: .perLoop)
        guard let carrier else { return nil }
        self.carrier = carrier
        self.lanes = lanes.count
        self.install = install
    }
}

/// How many sessions an outbound may have at a time.
enum Lanes: Hashable, Sendable, CustomStringConvertible {
    case perLoop
    case atMost(Int)

    var description: String { self.count.map { "\($0)" } ?? "auto" }

    var count: Int? {
        switch self {
        case .perLoop: nil
        case .atMost(let count): count
        }
    }
}

extension ValueKind where Value == Lanes {
    /// `auto`, or a number.
    static var lanes: Self {
        .scalar("auto, or a number of tunnels from 1 to 64") { text throws(Refusal) in
            if text == "auto" { return .perLoop }
            guard let count = Int(text), (1...64).contains(count) else { throw Refusal() }
            return .atMost(count)
        }
    }
}
