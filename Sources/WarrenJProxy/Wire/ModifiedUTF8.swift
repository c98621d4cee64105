// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension ByteBuffer {
    /// The text of Java's "modified UTF-8": U+0000 as `C0 80`, characters beyond U+FFFF as two surrogates of 3 bytes.
    ///
    /// - Returns: nil for anything else, lone surrogates and overlong forms included.
    /// - Source: `java.io.DataInput`, "Modified UTF-8".
    var modifiedUTF8Text: String? {
        var units: [UInt16] = []
        var rest = self.readableBytesView
        while let first = rest.popFirst() {
            switch first {
            case 0x01...0x7F:
                units.append(UInt16(first))
            case 0xC0...0xDF:
                guard let low = rest.popContinuation() else { return nil }
                let unit = UInt16(first & 0x1F) << 6 | low
                guard unit >= 0x80 || unit == 0 else { return nil }
                units.append(unit)
            case 0xE0...0xEF:
                guard let middle = rest.popContinuation(), let low = rest.popContinuation() else { return nil }
                let unit = UInt16(first & 0x0F) << 12 | middle << 6 | low
                guard unit >= 0x800 else { return nil }
                units.append(unit)
            default:
                return nil
            }
        }
        return String(validating: units, as: UTF16.self)
    }

    mutating func writeModifiedUTF8(_ text: String) {
        for unit in text.utf16 {
            let low = UInt8(truncatingIfNeeded: unit & 0x3F) | 0x80
            switch unit {
            case 0x01...0x7F:
                self.writeInteger(UInt8(truncatingIfNeeded: unit))
            case 0, 0x80...0x7FF:
                self.writeMultipleIntegers(UInt8(truncatingIfNeeded: unit >> 6) | 0xC0, low)
            default:
                let middle = UInt8(truncatingIfNeeded: unit >> 6 & 0x3F) | 0x80
                self.writeMultipleIntegers(UInt8(truncatingIfNeeded: unit >> 12) | 0xE0, middle, low)
            }
        }
    }
}

extension ByteBufferView {
    fileprivate mutating func popContinuation() -> UInt16? {
        guard let byte = self.popFirst(), byte & 0xC0 == 0x80 else { return nil }
        return UInt16(byte & 0x3F)
    }
}

extension String {
    /// Bytes of this text in Java's modified UTF-8.
    var modifiedUTF8Count: Int {
        self.utf16.reduce(0) { $0 + ((0x01...0x7F).contains($1) ? 1 : $1 < 0x800 ? 2 : 3) }
    }
}
