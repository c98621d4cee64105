// SPDX-License-Identifier: Apache-2.0

import Synchronization
import WarrenCore

/// Where the streams of an inbound go. A reload exchanges it for the streams to come.
package final class StreamTarget: Sendable {
    private enum Way {
        case fixed(FixedRoute)
        case chosen(Router)
    }

    private let way: Mutex<Way>

    package init(_ outbound: any Outbound, _ unit: UnitTag? = nil) {
        self.way = Mutex(Self.way(outbound, unit))
    }

    /// The outbound, or who chooses one.
    package var outbound: any Outbound {
        switch self.way.withLock({ $0 }) {
        case .fixed(let route): route.target
        case .chosen(let router): router
        }
    }

    /// Where streams go, for whoever tells others.
    package var signposts: Signposts { (self.outbound as? Router)?.signposts ?? Signposts(last: self.outbound) }

    package func exchange(_ outbound: any Outbound, _ unit: UnitTag?) {
        let way = Self.way(outbound, unit)
        self.way.withLock { $0 = way }
    }

    /// For the next stream.
    ///
    /// - Parameter meter: what it is charged to.
    func route(_ meter: StreamMeter? = nil) -> StreamRoute {
        switch self.way.withLock({ $0 }) {
        case .fixed(let route): meter.map { RouteRecord(route, meter: $0) } ?? route
        case .chosen(let router): RouteRecord(router, meter: meter)
        }
    }

    private static func way(_ outbound: any Outbound, _ unit: UnitTag?) -> Way {
        if let router = outbound as? Router { return .chosen(router) }
        return .fixed(FixedRoute(to: outbound, unit))
    }
}
