// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

/// jProxy 3.0: a login by key hash, then AES packets that carry many TCP streams over one carrier.
///
/// The client opens the streams (``ClientMachine``, an outbound), the server yields them (``ServerMachine``, an inbound).
public enum JProxy: TunnelProtocol {
    public static let name = "jproxy"

    public static func detect(_ head: ByteBufferView) -> Detection {
        let known = min(head.count, Hello.magic.utf8.count)
        guard head.prefix(known).elementsEqual(Hello.magic.utf8.prefix(known)) else { return .no }
        return known == Hello.magic.utf8.count ? .yes : .needs(bytes: Hello.magic.utf8.count)
    }

    /// Which reading of the protocol a peer follows. Set by configuration, never guessed.
    public enum Dialect: String, Hashable, Sendable, CaseIterable {
        /// What the deployed peers do.
        case deployed
        /// What the protocol document literally says: little-endian integers, decimal message types, UDP.
        case document
    }

    /// The end of the tunnel that a message comes from; type `01` means something else from each.
    enum Side: Hashable, Sendable {
        case client
        case server
    }
}
