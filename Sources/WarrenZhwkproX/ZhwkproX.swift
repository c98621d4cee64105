// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

/// zhwkproX: an exit behind a NAT dials an inter-server, which then opens TCP streams through it.
///
/// The exit dials and yields streams (``ExitMachine``, an inbound); the inter-server listens and opens them
/// (``InterMachine``, an outbound).
public enum ZhwkproX: TunnelProtocol {
    public static let name = "zhwkprox"
    /// Where the deployed inter-server listens.
    public static let defaultPort: UInt16 = 1992

    public static func detect(_ head: ByteBufferView) -> Detection {
        guard let first = head.first else { return .needs(bytes: 1) }
        return first == Hello.version ? .yes : .no
    }

    /// Which reading of the protocol an exit follows. Set by configuration, never guessed.
    public enum Dialect: String, Hashable, Sendable, CaseIterable {
        /// What the deployed peers do: an exit that does not know the inter-server closes without a word.
        case deployed
        /// What the protocol document literally says: it sends `00` first. No extension.
        case document
    }
}
