// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// Where streams come from: one for all of an inbound or a relay.
package final class StreamSource: Sendable {
    package let label: StreamLabel
    /// The running inbound, or relay.
    package let unit: UnitTag?

    package init(_ label: StreamLabel, _ unit: UnitTag?) {
        self.label = label
        self.unit = unit
    }
}

/// Who wants what, from the inbound to the report. Every stream has one, so it is small.
package struct StreamOpening {
    package let request: StreamRequest
    /// Nil where nobody has a name for it.
    package let source: StreamSource?

    package init(_ request: StreamRequest, from source: StreamSource?) {
        self.request = request
        self.source = source
    }

    private var route: TakenRoute? { self.request.route as? TakenRoute }
    package var outbound: String { self.request.route?.outbound ?? self.source?.label.outbound ?? "-" }
    package var rule: String? { self.route?.rule }
    /// Those that it goes through.
    package var units: [UnitTag] { [self.source?.unit, self.route?.unit].compactMap { $0 } }
}

/// What people call a stream or a session: `12`, `s12`.
package enum LivingID: Hashable, Sendable, CustomStringConvertible {
    case stream(Int)
    case session(Int)

    /// - Returns: nil for what is no id.
    package init?(_ text: String) {
        let digits = text.hasPrefix("s") ? text.dropFirst() : text[...]
        guard let number = Int(digits), number >= 0, digits.allSatisfy(\.isNumber) else { return nil }
        self = text.hasPrefix("s") ? .session(number) : .stream(number)
    }

    package var description: String {
        switch self {
        case .stream(let number): "\(number)"
        case .session(let number): "s\(number)"
        }
    }
}

/// A stream as it is now.
package struct StreamStatus: Codable, Hashable, Sendable {
    package let id: String
    package let inbound: String
    package let `protocol`: String
    package let peer: String?
    package let user: String?
    package let destination: String
    package let outbound: String
    /// Where the route's rule stands; nil where the inbound's own `to` decided.
    package let rule: String?
    package let ageMs: Int
    /// From the inbound to the destination, so far.
    package let bytesIn: Int
    package let bytesOut: Int
    /// What the way in waits for: `writer` (nothing is sent), `reader` (the far end takes nothing), `window` (the far
    /// end of its tunnel gives no room), `carrier` (the tunnel's connection is full), `rate` (its limit).
    package let waitsIn: String
    package let waitsOut: String

    init(_ number: Int, _ bridge: Bridge, _ opening: StreamOpening) {
        let state = bridge.state
        self.id = "\(LivingID.stream(number))"
        self.inbound = opening.source?.label.inbound ?? "-"
        self.protocol = opening.source?.label.protocol ?? "-"
        self.peer = opening.request.source?.text
        self.user = opening.request.user
        self.destination = "\(opening.request.destination)"
        self.outbound = opening.outbound
        self.rule = opening.rule
        self.ageMs = Int(state.age.nanoseconds / 1_000_000)
        self.bytesIn = state.bytesIn
        self.bytesOut = state.bytesOut
        self.waitsIn = state.waitsIn
        self.waitsOut = state.waitsOut
    }
}

/// Whose session it is.
package struct SessionLabel: Sendable {
    package let role: String
    package let name: String
    package let unit: UnitTag?
    /// Its streams are connections on which others wait for streams, which are counted there.
    package let carriesConnections: Bool

    package init(role: String, name: String, unit: UnitTag?, carriesConnections: Bool = false) {
        self.role = role
        self.name = name
        self.unit = unit
        self.carriesConnections = carriesConnections
    }
}

/// A session that carries many streams, as it is now.
package struct SessionStatus: Codable, Hashable, Sendable {
    package let id: String
    /// `inbound` or `outbound`, and its name.
    package let role: String
    package let name: String
    package let peer: String?
    package let user: String?
    /// The login is over.
    package let isUp: Bool
    package let streams: Int
    package let ageMs: Int

    init(_ number: Int, _ session: any Session, _ place: SessionLabel) {
        self.id = "\(LivingID.session(number))"
        self.role = place.role
        self.name = place.name
        self.peer = session.peer?.text
        self.user = session.user
        self.isUp = session.isReady
        self.streams = session.streamCount
        self.ageMs = Int((.now() - session.started).nanoseconds / 1_000_000)
    }
}

/// The state of a tunnel that is to be kept up.
package struct TunnelStatus: Codable, Hashable, Sendable {
    package let role: String
    package let name: String
    /// `up`, `connecting`, `resting` (until the next try), `asleep` (until a stream asks), `waiting` (for the far end to
    /// come) or `stopped`.
    package let state: String
    package let peer: String?
    /// In this state.
    package let forMs: Int
    package let nextTryMs: Int?
    /// Why it is not up.
    package let reason: String?

    package init(
        role: String, name: String, state: String, peer: String? = nil, since: NIODeadline, nextTry: NIODeadline? = nil,
        reason: String? = nil
    ) {
        self.role = role
        self.name = name
        self.state = state
        self.peer = peer
        self.forMs = Int((.now() - since).nanoseconds / 1_000_000)
        self.nextTryMs = nextTry.map { Int(max(.zero, $0 - .now()).nanoseconds / 1_000_000) }
        self.reason = reason
    }
}
