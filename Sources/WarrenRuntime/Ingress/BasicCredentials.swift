// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenCore

extension Claim {
    /// What `Basic dXNlcjpwYXNz` says; nil for another scheme, for bad base64 and where the colon is missing.
    ///
    /// - Source: RFC 7617.
    init?(basic value: ByteBufferView) {
        let scheme = "basic "
        guard value.count > scheme.utf8.count, value.prefix(scheme.utf8.count).equalsIgnoringCase(scheme) else {
            return nil
        }
        guard let login = Base64.decode(value.dropFirst(scheme.utf8.count).drop { $0 == UInt8(ascii: " ") }),
            let colon = login.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        self.init(identity: Array(login[..<colon]), proof: Array(login[(colon + 1)...]))
    }
}

/// Base64 (RFC 4648, section 4). The reader is strict: padding required, no line ends, no stray bits.
enum Base64 {
    static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let digits = text.prefix { $0 != UInt8(ascii: "=") }
        let padding = text.count - digits.count
        guard padding <= 2, text.dropFirst(digits.count).allSatisfy({ $0 == UInt8(ascii: "=") }) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        for digit in digits {
            guard let value = Self.value(of: digit) else { return nil }
            bits = bits << 6 | value
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            bits &= 1 << count - 1
        }
        return bits == 0 ? bytes : nil
    }

    private static func value(of digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
