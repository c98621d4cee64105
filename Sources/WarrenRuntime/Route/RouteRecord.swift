// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import WarrenCore

/// Which way a stream takes, in words for whoever looks at it.
package class TakenRoute: StreamRoute, @unchecked Sendable {
    // Sendable: has no state of its own.

    /// The running outbound; nil before there is one.
    package var unit: UnitTag? { nil }
    /// Where the rule that chose it stands; nil where none did.
    package var rule: String? { nil }
    /// What it is charged to; nil where nothing is limited.
    package var meter: StreamMeter? { nil }
}

/// The way of all streams of an inbound that leads to one outbound.
package final class FixedRoute: TakenRoute, @unchecked Sendable {
    // Sendable: has constants only.
    let target: any Outbound
    private let tag: UnitTag?

    package init(to target: any Outbound, _ tag: UnitTag?) {
        self.target = target
        self.tag = tag
    }

    package override var outbound: String? { self.target.name }
    package override var unit: UnitTag? { self.tag }
}

/// Which way one stream took, where its inbound has several: written by whoever chooses, read by the report.
package final class RouteRecord: TakenRoute, @unchecked Sendable {
    // Sendable: the state is behind a lock.
    private struct State {
        var outbound: String?
        var unit: UnitTag?
        var rule: String?
        var isOpen = false
    }

    /// Who chooses; nil for a way that is fixed.
    let router: Router?
    private let fixed: FixedRoute?
    private let charged: StreamMeter?
    private let state = Mutex(State())

    package init(_ router: Router? = nil, meter: StreamMeter? = nil) {
        self.router = router
        self.fixed = nil
        self.charged = meter
    }

    init(_ fixed: FixedRoute, meter: StreamMeter) {
        self.router = nil
        self.fixed = fixed
        self.charged = meter
    }

    /// Who opens the stream.
    var target: (any Outbound)? { self.router ?? self.fixed?.target }
    package override var meter: StreamMeter? { self.charged }
    package override var outbound: String? { self.fixed?.outbound ?? self.state.withLock { $0.outbound } }
    package override var unit: UnitTag? { self.fixed?.unit ?? self.state.withLock { $0.unit } }
    package override var rule: String? { self.state.withLock { $0.rule } }

    /// - Parameter rule: where it stands; nil where none matched.
    func lead(to outbound: String, _ unit: UnitTag?, by rule: String?) {
        self.state.withLock { state in
            state.outbound = outbound
            state.unit = unit
            state.rule = rule
        }
    }

    /// The stream is open that way.
    func opened() { self.state.withLock { $0.isOpen = true } }

    /// - Returns: the way on which it was open until now; nil if it was on none.
    func closed() -> String? {
        self.state.withLock { state in
            defer { state.isOpen = false }
            return state.isOpen ? state.outbound : nil
        }
    }
}
