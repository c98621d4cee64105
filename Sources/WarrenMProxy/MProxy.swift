// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

/// M-PROXY version 1: a relay carries the connections of its visitors to a device behind NAT, over one WebSocket.
///
/// The device dials and logs in with tokens; the relay opens the streams. ``RelayMachine`` is a session at the relay (an
/// outbound), ``DeviceMachine`` one at the device (an inbound). The codec stands alone: ``Packer`` and ``Unpacker``.
public enum MProxy: TunnelProtocol {
    public static let name = "mproxy"

    /// The first byte of every frame: 255 less the version.
    public static let version: UInt8 = 0xFE

    public static func detect(_ head: ByteBufferView) -> Detection {
        guard let first = head.first else { return .needs(bytes: 1) }
        return first == Self.version ? .yes : .no
    }

    /// Which of the two families of deployed peers the other end belongs to.
    public enum Dialect: String, Hashable, Sendable, CaseIterable {
        /// The node.js programs of Telebit (relay 0.20, client 0.20), and every Warren: control messages, `connection`, `pause`
        /// and `resume`.
        case node = "v1-node"
        /// Telebit in Go: only data and `end`, a trailing `,\n` in headers, exactly one frame per message of the carrier, the
        /// token in the upgrade. A control message ends such a tunnel.
        case go = "v1-go"

        /// Data bytes of one frame: what the programs of each family themselves write at most.
        var mostData: Int {
            switch self {
            case .node: 64 << 10
            case .go: 8 << 10
            }
        }
    }

    /// The end of the tunnel that a message comes from.
    enum Side: Hashable, Sendable {
        case relay
        case device

        var other: Side { self == .relay ? .device : .relay }
    }
}
