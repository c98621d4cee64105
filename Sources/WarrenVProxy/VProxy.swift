// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

/// The vproxy tunnel: streams in frames like those of HTTP/2, over any carrier that keeps bytes in order.
///
/// The client opens the streams (``ClientMachine``, an outbound), the server yields them (``ServerMachine``, an inbound).
/// Streams name no target: ``Destination/fixed``.
public enum VProxy: TunnelProtocol {
    public static let name = "vproxy"

    public static func detect(_ head: ByteBufferView) -> Detection {
        let known = min(head.count, Frame.handshake.count)
        guard head.prefix(known).elementsEqual(Frame.handshake.prefix(known)) else { return .no }
        return known == Frame.handshake.count ? .yes : .needs(bytes: Frame.handshake.count)
    }

    /// Which reading of the protocol a peer follows. Set by configuration, never guessed.
    public enum Dialect: String, Hashable, Sendable, CaseIterable {
        /// What the deployed peers do.
        case deployed
        /// What the protocol document literally says: a shutdown is a bare text, and nothing is compressed.
        case document
    }

    /// Whether payload is sent compressed; what comes compressed is always understood.
    public enum Compression: String, Hashable, Sendable, CaseIterable {
        case off
        /// Pieces of more than 1,024 bytes, where that makes them smaller.
        case auto
    }

    /// The end of the tunnel that a machine is.
    enum Side: Hashable, Sendable {
        case client
        case server
    }
}
