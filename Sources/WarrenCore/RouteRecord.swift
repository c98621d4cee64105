// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Which way one stream took, where its inbound has several: written by whoever chooses, read by the report.
public final class RouteRecord: Sendable {
    private let chosen = Mutex<String?>(nil)

    public init() {}

    /// The name of the outbound; nil before the choice.
    public var outbound: String? { self.chosen.withLock { $0 } }

    public func lead(to outbound: String) { self.chosen.withLock { $0 = outbound } }
}

extension RouteRecord: Hashable {
    public static func == (a: RouteRecord, b: RouteRecord) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
