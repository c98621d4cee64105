// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore

/// Takes every stream through a carrier of its own, which *is* the stream once the peer has agreed.
package struct CarrierOutbound: Outbound {
    /// How the next stream is to be taken: made anew for each, because what it needs may change.
    package struct Route: Sendable {
        /// Tried in order; not empty.
        package var carriers: [SessionCarrier]
        /// What the route is good for only once; a stream that is refused there waits until there is another one.
        package var ticket: String?
        /// Makes a carrier to where a peer sent us on: a host, with or without a port.
        package var redirected: @Sendable (String) -> SessionCarrier?

        package init(
            carriers: [SessionCarrier], ticket: String? = nil,
            redirected: @escaping @Sendable (String) -> SessionCarrier? = { _ in nil }
        ) {
            self.carriers = carriers
            self.ticket = ticket
            self.redirected = redirected
        }
    }

    package let name: String
    package var home: SocketLoop? { nil }
    private let reporter: Reporter
    private let makeRoute: @Sendable () throws(StreamFault) -> Route
    let silent = SilentCarriers()

    package init(
        name: String, reporter: Reporter, route: @escaping @Sendable () throws(StreamFault) -> Route
    ) {
        self.name = name
        self.reporter = reporter
        self.makeRoute = route
    }

    /// The next route. Carriers that could not be had the last time come last.
    func route() throws(StreamFault) -> Route {
        var route = try self.makeRoute()
        route.carriers = self.silent.last(in: route.carriers)
        return route
    }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        do throws(StreamFault) {
            let attempt = CarrierAttempt(
                request, try self.route(), of: self, on: loop, reporter: self.reporter, answer: answer
            )
            attempt.start()
            return attempt
        } catch {
            answer(.failure(error))
            return NoAttempt()
        }
    }
}
