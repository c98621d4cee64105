// SPDX-License-Identifier: Apache-2.0

public import NIOCore

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

extension JET {
    /// What an accepter or connecter asks of a relay, and how.
    public struct ClientConfiguration: Sendable {
        /// The relay, as it was dialled: a host, with or without a port. Goes into `Host` without the port, because the
        /// first relays take a second colon in a line for an error.
        public var host: String
        /// 1 or 2.
        public var version: UInt32
        /// Whom to meet; an accepter of version 1 is told by the relay.
        public var association: UUID
        /// In version 2 only.
        public var candidate: UUID
        public var decoding: Decoding
        /// What the request is masked with; deployed clients use the default.
        public var mask: UInt8
        /// From the start to the end of the reply.
        public var handshake: TimeAmount
        /// Whether the carrier is a WebSocket whose upgrade was the request: no packet, no reply.
        public var isBare: Bool
        /// Whether an accepter's target cannot be had a second time, as standard input and output cannot.
        public var isTargetOnce = false

        public init(
            host: String, version: UInt32 = Version.one, association: UUID = .zero, candidate: UUID = .zero,
            decoding: Decoding = .lenient, mask: UInt8 = 0x73, handshake: TimeAmount = .seconds(10),
            isBare: Bool = false
        ) {
            self.host = host
            self.version = version
            self.association = association
            self.candidate = candidate
            self.decoding = decoding
            self.mask = mask
            self.handshake = handshake
            self.isBare = isBare
        }
    }
}
