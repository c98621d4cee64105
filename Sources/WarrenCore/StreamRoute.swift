// SPDX-License-Identifier: Apache-2.0

/// The way that a stream takes through the program that opens it: a runtime's own, carried in a request and compared by
/// identity.
open class StreamRoute: Hashable, @unchecked Sendable {
    // Sendable: has no state; those who add some guard it.
    public init() {}

    /// The name of the outbound; nil before there is one.
    open var outbound: String? { nil }

    public static func == (a: StreamRoute, b: StreamRoute) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
