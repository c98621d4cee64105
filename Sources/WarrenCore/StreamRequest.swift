// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// Everything the opener of a stream says about it.
public struct StreamRequest: Hashable, Sendable {
    public var destination: Destination
    /// Who stands behind the stream: the SOCKS user's socket, the visitor of a public name. M-PROXY carries it on.
    public var source: SocketAddress?
    /// What the opener speaks, where an inbound has looked: `https`, `http`, or nil. M-PROXY carries it on.
    public var scheme: String?
    /// As whom the opener has logged in here; never carried on.
    public var user: String?
    /// Which way it took, where there is a choice; never carried on.
    public var route: StreamRoute?

    public init(_ destination: Destination, source: SocketAddress? = nil, user: String? = nil) {
        self.destination = destination
        self.source = source
        self.user = user
    }
}
