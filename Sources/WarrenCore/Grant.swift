// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// What a relay gave the end of a tunnel that registered there: how others reach it.
public struct Grant: Hashable, Sendable {
    /// What others ask the relay for.
    public var destination: Destination
    /// The relay's own word on where to ask, if it gave one: a host, with or without a port.
    public var instance: String?
    /// How long it is good for; nil if the relay did not say.
    public var lifetime: TimeAmount?

    public init(_ destination: Destination, instance: String? = nil, lifetime: TimeAmount? = nil) {
        self.destination = destination
        self.instance = instance
        self.lifetime = lifetime
    }
}
