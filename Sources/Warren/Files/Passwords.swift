// SPDX-License-Identifier: Apache-2.0

import Crypto
import WarrenCore
import WarrenRuntime

/// Judges SOCKS and HTTP logins by name and password.
///
/// Passwords are kept and compared as SHA-256 values, in constant time and whether the name is known or not, so that
/// the time taken tells a stranger nothing.
struct Passwords: Authenticator {
    private let digests: [String: SHA256Digest]
    private static let nobody = SHA256.hash(data: [UInt8]())

    init(_ users: [(name: String, password: String)]) {
        var digests: [String: SHA256Digest] = [:]
        for user in users { digests[user.name] = SHA256.hash(data: Array(user.password.utf8)) }
        self.digests = digests
    }

    func judge(_ claim: Claim) async -> Verdict {
        guard let name = String(validating: claim.identity, as: UTF8.self) else { return .denied }
        let known = self.digests[name]
        // `==` on digests is constant-time.
        let isRight = SHA256.hash(data: claim.proof) == (known ?? Self.nobody)
        return isRight && known != nil ? .accepted(name: name) : .denied
    }
}
