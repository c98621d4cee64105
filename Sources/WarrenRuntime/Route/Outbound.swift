// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore
package import WarrenLoop

/// Takes streams to where they go.
package protocol Outbound: Sendable {
    var name: String { get }
    /// The loop on which all its sessions live; nil where a stream is as near on any. Inbounds that lead here accept on
    /// it: a stream that is opened on another loop crosses to it (``Crossing``).
    var home: SocketLoop? { get }
    /// Its far end takes every stream to a place that it knows alone.
    var leadsToOnePlace: Bool { get }

    /// The loop on which one stream is nearest; nil where any is as near.
    ///
    /// - Parameter loop: where it would be opened else.
    func home(of request: StreamRequest, from loop: SocketLoop) -> SocketLoop?

    /// Opens a stream. To be called on `loop`, where `answer` comes.
    ///
    /// - Parameter trusted: the destination stands in our own configuration, so the egress policy has no say.
    func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt
}

extension Outbound {
    package var leadsToOnePlace: Bool { false }
    package func home(of request: StreamRequest, from loop: SocketLoop) -> SocketLoop? { self.home }
}

/// Connects to the destination itself.
package struct DirectOutbound: Outbound {
    package let name: String
    package var home: SocketLoop? { nil }
    /// How it dials; what is dialled through it needs no hop.
    package let dialer: Dialer
    private let trustingDialer: Dialer
    /// For users with an egress policy of their own.
    private let userDialers: [String: Dialer]

    /// - Parameter policies: of users who have one of their own.
    package init(name: String, dialer: Dialer, policies: [String: EgressPolicy] = [:]) {
        self.name = name
        self.dialer = dialer
        self.userDialers = policies.mapValues { policy in
            var own = dialer
            own.policy = policy
            return own
        }
        var trusting = dialer
        trusting.policy = .everything
        self.trustingDialer = trusting
    }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        guard case .host(let host, let port, .tcp) = request.destination else {
            answer(.failure(.unsupported))
            return NoAttempt()
        }
        let own = self.userDialers.isEmpty ? nil : request.user.flatMap { self.userDialers[$0] }
        let dialer = trusted ? self.trustingDialer : own ?? self.dialer
        return dialer.dial(host, port: port, for: Asker(request, trusted: trusted), request: request, on: loop) {
            result in
            answer(result.map { $0 })
        }
    }
}

/// An outbound whose peers come to it.
package protocol ArrivingOutbound: Outbound {
    /// Takes a connection that a peer has made, on its loop: ``Outbound/home``, or any.
    func arrive(_ leg: any Leg, on loop: SocketLoop) throws
}
