// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension JProxy {
    /// Message types as a dialect writes them: the document's decimal numbers are hexadecimal on the deployed wire.
    struct MessageTypes: Hashable, Sendable {
        let connect: UInt8 = 0x01
        let associate: UInt8 = 0x02
        let data: UInt8
        let datagram: UInt8
        let disconnect: UInt8
        let dissociate: UInt8
    }
}

extension JProxy.Dialect {
    var types: JProxy.MessageTypes {
        switch self {
        case .deployed: JProxy.MessageTypes(data: 0x21, datagram: 0x22, disconnect: 0x41, dissociate: 0x42)
        case .document: JProxy.MessageTypes(data: 21, datagram: 22, disconnect: 41, dissociate: 42)
        }
    }

    var endianness: Endianness { self == .deployed ? .big : .little }
    var carriesUDP: Bool { self == .document }

    /// `type u8 | id u16 | length u16`, the head of a data message, as 5 bytes.
    func dataHead(_ type: UInt8, id: UInt16, count: Int) -> (UInt8, UInt8, UInt8, UInt8, UInt8) {
        let id = self == .deployed ? id.bigEndian : id.littleEndian
        let length = UInt16(truncatingIfNeeded: count)
        let count = self == .deployed ? length.bigEndian : length.littleEndian
        return withUnsafeBytes(of: id) { id in
            withUnsafeBytes(of: count) { count in (type, id[0], id[1], count[0], count[1]) }
        }
    }
}
