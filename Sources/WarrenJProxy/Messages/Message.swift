// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension JProxy {
    /// One message: the content of one packet.
    enum Message: Hashable, Sendable {
        case connect(ConnectRequest)
        case connectReply(ConnectReply)
        case data(id: UInt16, ByteBuffer)
        case disconnect(id: UInt16)
        /// UDP, in the document dialect only.
        case associate(ConnectRequest, localPort: UInt16)
        case associateReply(id: UInt16, isAccepted: Bool, localPort: UInt16)
        case datagram(id: UInt16, ByteBuffer)
        case dissociate(id: UInt16)
        /// Between two Warrens only.
        case extended(ExtendedMessage)
        /// A type that this dialect does not know; ignored unless strict.
        case unknown(type: UInt8)
    }

    struct ConnectRequest: Hashable, Sendable {
        var id: UInt16
        /// Nil if the address made no sense (unknown type, wrong length, not UTF-8).
        var host: Host?
        var port: UInt16
    }

    struct ConnectReply: Hashable, Sendable {
        /// The attempt failed at once: no time was taken.
        static let atOnce: UInt16 = 0xFFFF
        var id: UInt16
        /// Nil if the stream is open.
        var fault: StreamFault?
        /// From the start of the attempt, modulo 65536.
        var milliseconds: UInt16
    }

    /// The only reason that deployed peers ever give for a disconnect.
    static let disconnectReason: UInt8 = 4
}
