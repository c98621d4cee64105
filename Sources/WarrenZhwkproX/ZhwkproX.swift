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

    /// From one message of a destination to the next, toward deployed peers; measured, see Wire.md.
    public static let defaultGap = TimeAmount.milliseconds(1)
    /// A message that fits into one segment of nearly every path, in bytes.
    static let safePieces = 1400
    /// What deployed programs read at once, and so the longest message they send.
    private static let largestRead = 100 << 10
    /// What the system may take of a segment for acknowledgements.
    private static let segmentReserve = 40

    /// The longest message that a path with such segments takes in one.
    static func pieces(of segment: Int) -> Int {
        min(max(segment - Self.segmentReserve, StreamAddress.longestHead + 1), Self.largestRead)
    }

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
