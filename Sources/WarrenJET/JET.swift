// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

/// JET: two peers that can only dial out meet at a relay, which then copies raw bytes between them.
///
/// One *accepts* (``AcceptMachine``, an inbound), one *connects* (``ConnectMachine``, an outbound); ``RelayMachine`` is
/// the relay with all its carriers. Each sends one ``Request`` and gets one ``Reply``, as HTTP text in a packet.
public enum JET: TunnelProtocol {
    public static let name = "jet"
    /// Where relays listen by habit.
    public static let defaultPort: UInt16 = 8080

    static let signature: [UInt8] = [0x4A, 0x45, 0x54, 0x00]

    public static func detect(_ head: ByteBufferView) -> Detection {
        let known = min(head.count, self.signature.count)
        guard head.prefix(known).elementsEqual(self.signature.prefix(known)) else { return .no }
        return known == self.signature.count ? .yes : .needs(bytes: self.signature.count)
    }

    /// How much of what peers send is forgiven.
    public enum Decoding: String, Hashable, Sendable, CaseIterable {
        /// What the deployed codec (`jet-proto`) takes.
        case lenient
        /// Only what the protocol's documents describe.
        case strict
    }

    /// How a relay's replies read. Clients look at the three digits of the status only.
    public enum Dialect: String, Hashable, Sendable, CaseIterable {
        /// `HTTP/1.1 200 OK` and all four headers, which every known client understands.
        case plain
        /// `HTTP/1.1 200 OK 200`, and the headers of the relays from 2019-09 on.
        case jetProto = "jet-proto"
        /// The first public relay: echoes the flags, and answers 400 to an unknown association.
        case relay2018 = "2018"
        /// The example of the protocol document: no `Jet-Timeout`, and an instance with its port.
        case document
    }

    /// The versions that exist on the wire. Any other number is read and refused.
    public enum Version {
        public static let one: UInt32 = 1
        public static let two: UInt32 = 2
    }
}
