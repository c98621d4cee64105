// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// `atype u8 | alen u8 | addr`: 1 IPv4, 2 IPv6 (not SOCKS5's 4), 3 a name in UTF-8 without terminator.
private enum AddressType {
    static let v4: UInt8 = 1
    static let v6: UInt8 = 2
    static let name: UInt8 = 3
}

extension ByteBuffer {
    /// Reads `atype u8 | alen u8 | addr alen`.
    ///
    /// - Returns: nil inside if the bytes are all there but make no sense; such a request is answered, not dropped.
    /// - Throws: ``WireError`` `.tooShort` if the message ends before the address does.
    mutating func readJProxyAddress() throws(WireError) -> Host? {
        guard let (type, length) = self.readMultipleIntegers(as: (UInt8, UInt8).self),
            var address = self.readSlice(length: Int(length))
        else { throw WireError(.tooShort, in: "connect.address") }
        switch (type, length) {
        case (AddressType.v4, 4): return address.readIPAddress(.v4).map { .address($0) }
        case (AddressType.v6, 16): return address.readIPAddress(.v6).map { .address($0) }
        case (AddressType.name, 1...): return try? Host(peerNamed: address.readableBytesView, in: "connect.address")
        default: return nil
        }
    }

    /// Writes the address; a name must have passed ``WarrenCore/Host/isSendableOverJProxy``.
    mutating func writeJProxyAddress(_ host: Host?) {
        switch host {
        case .address(let address):
            var packed = address.packed
            self.writeInteger(address.family == .v4 ? AddressType.v4 : AddressType.v6)
            self.writeInteger(UInt8(truncatingIfNeeded: packed.readableBytes))
            self.writeBuffer(&packed)
        case .name(let name):
            self.writeInteger(AddressType.name)
            self.writeInteger(UInt8(truncatingIfNeeded: name.utf8.count))
            self.writeString(name)
        case nil:
            self.writeMultipleIntegers(UInt8(0), UInt8(0))
        }
    }
}

extension Host {
    /// False for a name that is empty or longer than the length byte can say.
    var isSendableOverJProxy: Bool {
        guard case .name(let name) = self else { return true }
        return (1...255).contains(name.utf8.count)
    }
}
