// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension Host {
    /// The longest name a front takes, in bytes: what SOCKS5 can say and DNS can hold.
    static let longestName = 255

    /// The host a peer named: an address if it wrote one, otherwise a name of 1–255 visible characters.
    ///
    /// Names end up in logs, resolvers and the requests of other protocols; so control characters, white space and
    /// invisible format characters (which make one name look like another) are refused here.
    ///
    /// - Throws: ``WireError`` `.tooShort`, `.tooLong` or `.badValue` in `field`.
    init(peerNamed bytes: ByteBufferView, in field: String) throws(WireError) {
        guard !bytes.isEmpty else { throw WireError(.tooShort, in: field) }
        guard bytes.count <= Self.longestName else {
            throw WireError(.tooLong, in: field, found: "\(bytes.count) > \(Self.longestName)")
        }
        // `%` would name an interface of this machine after an IPv6 address.
        guard bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "%") }),
            let text = String(validating: bytes, as: UTF8.self)
        else {
            throw WireError(.badValue, in: field, found: "a byte that no host name has")
        }
        guard text.utf8.count == text.unicodeScalars.count || text.unicodeScalars.allSatisfy(\.isVisible) else {
            throw WireError(.badValue, in: field, found: "an invisible character")
        }
        self.init(text)
    }
}

extension Unicode.Scalar {
    fileprivate var isVisible: Bool {
        switch self.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator,
            .paragraphSeparator:
            false
        default: true
        }
    }
}
