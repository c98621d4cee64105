// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension ByteBuffer {
    /// Reads `length u24 | type u8 | flags u8 | stream u32`; nil while incomplete.
    mutating func readVProxyHead() -> VProxy.FrameHead? {
        guard
            let (high, low, type, flags, stream) = self.readMultipleIntegers(
                as: (UInt8, UInt16, UInt8, UInt8, UInt32).self)
        else { return nil }
        return VProxy.FrameHead(length: Int(high) << 16 | Int(low), type: type, flags: flags, stream: stream)
    }

    /// - Parameter head: its length is below 16 MiB.
    mutating func writeVProxyHead(_ head: VProxy.FrameHead) {
        self.writeMultipleIntegers(
            UInt8(truncatingIfNeeded: head.length >> 16), UInt16(truncatingIfNeeded: head.length), head.type,
            head.flags, head.stream)
    }

    mutating func writeVProxyPing(_ number: UInt64, flags: UInt8 = 0, extra: [UInt8] = []) {
        self.writeVProxyHead(VProxy.FrameHead(.ping, length: 8 + extra.count, flags: flags))
        self.writeInteger(number)
        self.writeBytes(extra)
    }

    /// Writes `last stream −1 | error −1 | reason`; in the document's dialect only the reason.
    mutating func writeVProxyShutdown(_ reason: String, _ dialect: VProxy.Dialect) {
        let unused = [UInt8](repeating: 0xFF, count: dialect == .deployed ? 8 : 0)
        self.writeVProxyHead(VProxy.FrameHead(.goAway, length: unused.count + reason.utf8.count))
        self.writeBytes(unused)
        self.writeString(reason)
    }

    /// Reads the whole buffer as what a GOAWAY holds; what is no text is shown as far as it is.
    mutating func readVProxyReason(_ dialect: VProxy.Dialect) -> String {
        let hasNumbers = self.getInteger(at: self.readerIndex, as: UInt64.self) == .max
        switch dialect {
        case .deployed: if self.readInteger(as: UInt64.self) == nil { return "" }
        case .document: if hasNumbers { self.moveReaderIndex(forwardBy: 8) }
        }
        return String(decoding: self.readableBytesView, as: UTF8.self)
    }
}
