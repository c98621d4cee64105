// SPDX-License-Identifier: Apache-2.0

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
