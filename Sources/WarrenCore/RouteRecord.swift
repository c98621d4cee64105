// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Which way one stream took, where its inbound has several: written by whoever chooses, read by the report.
public final class RouteRecord: Sendable {
    private let state = Mutex<(outbound: String?, isOpen: Bool)>((nil, false))

    public init() {}

    /// The name of the outbound; nil before the choice.
    public var outbound: String? { self.state.withLock { $0.outbound } }

    public func lead(to outbound: String) { self.state.withLock { $0.outbound = outbound } }

    /// The stream is open that way.
    public func opened() { self.state.withLock { $0.isOpen = true } }

    /// - Returns: the way on which it was open until now; nil if it was on none.
    public func closed() -> String? {
        self.state.withLock { state in
            defer { state.isOpen = false }
            return state.isOpen ? state.outbound : nil
        }
    }
}

extension RouteRecord: Hashable {
    public static func == (a: RouteRecord, b: RouteRecord) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
