// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The words of SOCKS version 4 and of its extension 4a.
///
/// - Source: "SOCKS: A protocol for TCP proxy across firewalls" and "SOCKS 4A", both by Ying-Da Lee.
enum SOCKS4 {
    static let version: UInt8 = 4
    /// The longest user id taken, in bytes.
    static let longestUser = 255

    enum Reply: UInt8 {
        case granted = 0x5A
        case refused = 0x5B
        /// "The user id could not be confirmed": the only word the protocol has for a login that is missing.
        case notConfirmed = 0x5D
    }

    enum Request: Hashable {
        case connect(Host, port: UInt16)
        /// BIND.
        case unsupported
    }
}

extension ByteBuffer {
    /// Reads `version | command | port 2B | address 4B | user … 0`, and with an address of 0.0.0.x `name … 0` after it.
    ///
    /// - Throws: ``WireError`` for another version, an unknown command, a bad name or port 0, and for texts over 255 B.
    mutating func readSOCKS4Request() throws(WireError) -> SOCKS4.Request? {
        try self.readWhole { (buffer) throws(WireError) in
            try buffer.checkVersion(SOCKS4.version, in: "request.version")
            guard let (command, port, address) = buffer.readMultipleIntegers(as: (UInt8, UInt16, UInt32).self) else {
                return nil
            }
            guard command != 2 else { return .unsupported }
            guard command == 1 else { throw WireError(.badValue, in: "request.command", found: "\(command)") }
            guard port != 0 else { throw WireError(.badValue, in: "request.port", found: "0") }
            guard try buffer.readTerminated(most: SOCKS4.longestUser, in: "request.user") != nil else { return nil }
            guard address != 0, address < 0x100 else { return .connect(.address(IPAddress(v4: address)), port: port) }
            guard let name = try buffer.readTerminated(most: Host.longestName, in: "request.name") else { return nil }
            return .connect(try Host(peerNamed: name, in: "request.name"), port: port)
        }
    }

    /// Reads up to a zero byte, which is taken off too.
    private mutating func readTerminated(most: Int, in field: String) throws(WireError) -> ByteBufferView? {
        guard let end = self.readableBytesView.prefix(most + 1).firstIndex(of: 0) else {
            guard self.readableBytes <= most else { throw WireError(.tooLong, in: field, found: "> \(most)") }
            return nil
        }
        let text = self.readSlice(length: end - self.readerIndex)
        self.moveReaderIndex(forwardBy: 1)
        return text?.readableBytesView
    }

    /// Writes `0 | reply | port 2B | address 4B`; port and address mean nothing to a CONNECT.
    mutating func writeSOCKS4Reply(_ reply: SOCKS4.Reply) {
        self.writeMultipleIntegers(UInt8(0), reply.rawValue, UInt16(0), UInt32(0))
    }
}
