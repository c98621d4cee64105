// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import WarrenCore
import WarrenLoop

/// The PROXY protocol's header, which tells a target who stands behind a connection.
///
/// ```
/// version 1   PROXY TCP4 192.0.2.7 0.0.0.0 40000 443 CR LF
/// version 2   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | 21 u8 | family u8 | length u16 |
///             source 4B or 16B | destination | source port u16 | destination port u16
/// ```
///
/// The address that a visitor has dialled is not known behind a relay; the unspecified one stands for it.
///
/// - Source: "The PROXY protocol", versions 1 and 2, HAProxy Technologies.
package enum ProxyHeader: String, Sendable, CaseIterable {
    case v1
    case v2

    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]

    /// - Parameters:
    ///   - source: nil for one that is not known, which is said so.
    ///   - port: where the visitor came in; 0 if that is not known.
    package func bytes(source: SocketAddress?, port: UInt16) -> ByteBuffer {
        let peer = source.flatMap { PeerAddress($0) }
        switch self {
        case .v1: return Self.first(peer, port)
        case .v2: return Self.second(peer, port)
        }
    }

    private static func first(_ source: PeerAddress?, _ port: UInt16) -> ByteBuffer {
        guard let source else { return ByteBuffer(string: "PROXY UNKNOWN\r\n") }
        let isV4 = source.address.family == .v4
        let ends = "\(source.address) \(isV4 ? "0.0.0.0" : "::") \(source.port) \(port)"
        return ByteBuffer(string: "PROXY \(isV4 ? "TCP4" : "TCP6") \(ends)\r\n")
    }

    private static func second(_ source: PeerAddress?, _ port: UInt16) -> ByteBuffer {
        var bytes = ByteBuffer(bytes: Self.signature)
        guard let source else {
            // A connection of our own, without addresses.
            bytes.writeBytes([0x20, 0, 0, 0])
            return bytes
        }
        bytes.writeInteger(UInt8(0x21))
        switch source.address.family {
        case .v4:
            bytes.writeInteger(UInt8(0x11))
            bytes.writeInteger(UInt16(12))
            bytes.writeInteger(UInt32(truncatingIfNeeded: source.address.low))
            bytes.writeInteger(UInt32(0))
        case .v6:
            bytes.writeInteger(UInt8(0x21))
            bytes.writeInteger(UInt16(36))
            bytes.writeInteger(source.address.high)
            bytes.writeInteger(source.address.low)
            bytes.writeRepeatingByte(0, count: 16)
        }
        bytes.writeInteger(source.port)
        bytes.writeInteger(port)
        return bytes
    }
}
