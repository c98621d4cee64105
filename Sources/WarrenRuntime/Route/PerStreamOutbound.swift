// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore
package import WarrenLoop

/// Takes every stream through a carrier of its own, which *is* the stream once the peer has agreed.
package struct PerStreamOutbound: Outbound {
    /// How the next stream is to be taken: made anew for each, because what it needs may change.
    package struct Route: Sendable {
        /// Tried in order; not empty.
        package var carriers: [SessionCarrier]
        /// What the route is good for only once; a stream that is refused there waits until there is another one.
        package var ticket: String?
        /// What a stream is told when its carrier cannot be had; nil for the reason why.
        package var whenUnreachable: StreamFault?
        /// What it is told when the peer will not have us; nil for `refused`.
        package var whenRejected: StreamFault?
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

    /// Finds a route: answers on the loop, once, possibly before it returns.
    package typealias Finding =
        @Sendable (SocketLoop, _ answer: @escaping (Result<Route, StreamFault>) -> Void) -> Void

    package let name: String
    /// That of the outbound through which the carriers are dialled, if that has one.
    package let home: SocketLoop?
    private let reporter: Reporter
    private let finding: Finding
    let silent = SilentCarriers()

    package init(
        name: String, home: SocketLoop? = nil, reporter: Reporter, finding find: @escaping Finding
    ) {
        self.name = name
        self.home = home
        self.reporter = reporter
        self.finding = find
    }

    /// - Parameter route: what never has to wait for anything.
    package init(
        name: String, home: SocketLoop? = nil, reporter: Reporter,
        route: @escaping @Sendable () throws(StreamFault) -> Route
    ) {
        self.init(
            name: name, home: home, reporter: reporter,
            finding: { _, answer in
                do throws(StreamFault) {
                    answer(.success(try route()))
                } catch {
                    answer(.failure(error))
                }
            })
    }

    /// The next route. Carriers that could not be had the last time come last.
    func find(_ loop: SocketLoop, _ answer: @escaping (Result<Route, StreamFault>) -> Void) {
        self.finding(loop) { found in
            answer(
                found.map { route in
                    var route = route
                    route.carriers = self.silent.last(in: route.carriers)
                    return route
                })
        }
    }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let routed = RoutedAttempt()
        self.find(loop) { found in
            guard !routed.isCancelled else { return }
            switch found {
            case .success(let route):
                let attempt = CarrierAttempt(
                    request, route, of: self, on: loop, reporter: self.reporter, answer: answer
                )
                routed.attempt = attempt
                attempt.start()
            case .failure(let fault): answer(.failure(fault))
            }
        }
        return routed
    }
}

/// The route first, then what is tried along it.
private final class RoutedAttempt: OpenAttempt {
    var attempt: CarrierAttempt?
    private(set) var isCancelled = false

    func cancel() {
        self.isCancelled = true
        self.attempt?.cancel()
    }
}
