// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension ByteBuffer {
    /// The bytes that hexadecimal digits stand for; everything that is no digit is skipped.
    public init(hex: String) {
        self.init()
        var high: UInt8?
        for character in hex.utf8 {
            guard let digit = Self.digit(character) else { continue }
            if let first = high {
                self.writeInteger(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// The readable bytes as lower-case hexadecimal digits.
    public var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * self.readableBytes)
        for byte in self.readableBytesView {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    public var array: [UInt8] { Array(self.readableBytesView) }
}
