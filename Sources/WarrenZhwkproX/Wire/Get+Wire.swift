// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension ZhwkproX.StreamAddress {
    /// Of a GET's head: `ipvr 1 | address 4 or 16 | port 2 | dlen 4`.
    var headLength: Int { self.address.family == .v4 ? 11 : Self.longestHead }
    static let longestHead = 23
}

extension ByteBuffer {
    /// How long a GET's head is, by its first byte.
    ///
    /// - Throws: ``WireError`` `.badValue` for an `ipvr` that is neither 4 nor 6: where the next message would begin is
    ///   unknown then.
    static func zhwkproXGetLength(_ ipvr: UInt8) throws(WireError) -> Int {
        switch ipvr {
        case 4: 11
        case 6: 23
        default: throw WireError(.badValue, in: "get.ipvr", found: "\(ipvr)")
        }
    }

    /// Reads `ipvr u8 | address 4B or 16B | port u16 | dlen u32, little-endian`: 11 or 23 bytes.
    ///
    /// - Parameter most: the largest `dlen` that is accepted.
    /// - Returns: nil while incomplete; nothing has been consumed then.
    /// - Throws: ``WireError`` `.badValue` in `get.ipvr` at the first byte, `.tooLong` in `get.dlen`.
    /// - Source: zhwkproX reference, "GET".
    mutating func readZhwkproXGet(most: Int) throws(WireError) -> (endpoint: ZhwkproX.StreamAddress, length: Int)? {
        try self.readWhole { bytes throws(WireError) in
            guard let ipvr = bytes.readInteger(as: UInt8.self) else { return nil }
            _ = try Self.zhwkproXGetLength(ipvr)
            guard let address = bytes.readIPAddress(ipvr == 4 ? .v4 : .v6),
                let port = bytes.readInteger(as: UInt16.self),
                let length = bytes.readInteger(endianness: .little, as: UInt32.self)
            else { return nil }
            guard length <= most else { throw WireError(.tooLong, in: "get.dlen", found: "\(length) > \(most)") }
            return (ZhwkproX.StreamAddress(address: address, port: port), Int(length))
        }
    }

    /// Writes the head of a GET or of a reply.
    mutating func writeZhwkproXGet(_ endpoint: ZhwkproX.StreamAddress, length: UInt32) {
        let address = endpoint.address
        switch address.family {
        case .v4: self.writeMultipleIntegers(UInt8(4), UInt32(truncatingIfNeeded: address.low), endpoint.port)
        case .v6: self.writeMultipleIntegers(UInt8(6), address.high, address.low, endpoint.port)
        }
        self.writeInteger(length, endianness: .little)
    }
}
