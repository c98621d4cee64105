// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Whether bytes that come in pieces, cut anywhere, are UTF-8 (RFC 3629, section 4).
struct UTF8Check {
    /// How many bytes the character lacks that has begun.
    private var missing = 0
    /// What the next of them may be.
    private var allowed = Self.continuation

    private static let continuation: ClosedRange<UInt8> = 0x80...0xBF

    /// No character has begun that has not ended.
    var isWhole: Bool { self.missing == 0 }

    /// False as soon as a byte cannot stand where it does.
    mutating func accepts(_ bytes: ByteBufferView) -> Bool { bytes.allSatisfy { self.accepts($0) } }

    private mutating func accepts(_ byte: UInt8) -> Bool {
        guard self.missing == 0 else {
            guard self.allowed.contains(byte) else { return false }
            self.expect(self.missing - 1)
            return true
        }
        switch byte {
        case 0x00...0x7F: break
        case 0xC2...0xDF: self.expect(1)
        // Neither longer than need be, nor half of a surrogate pair, nor past U+10FFFF.
        case 0xE0: self.expect(2, 0xA0...0xBF)
        case 0xED: self.expect(2, 0x80...0x9F)
        case 0xE1...0xEF: self.expect(2)
        case 0xF0: self.expect(3, 0x90...0xBF)
        case 0xF4: self.expect(3, 0x80...0x8F)
        case 0xF1...0xF3: self.expect(3)
        default: return false
        }
        return true
    }

    private mutating func expect(_ missing: Int, _ allowed: ClosedRange<UInt8> = Self.continuation) {
        self.missing = missing
        self.allowed = allowed
    }
}
