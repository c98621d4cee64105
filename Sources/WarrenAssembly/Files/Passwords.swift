// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import NIOCore
import WarrenCore
import WarrenRuntime

/// Judges SOCKS and HTTP logins by name and password.
///
/// Passwords are kept and compared as SHA-256 values, in constant time and whether the name is known or not, so that
/// the time taken tells a stranger nothing. Neither RFC 1929 nor, for the most part, RFC 7617 says how letters become
/// bytes: clients use UTF-8 or ISO-8859-1, and both are right.
struct Passwords: Authenticator {
    private struct User {
        let name: String
        let digest: SHA256Digest
    }

    /// By the bytes of the name; the same bytes may be two names in two encodings.
    private let users: [[UInt8]: [User]]
    private static let nobody = SHA256.hash(data: [UInt8]())

    init(_ users: [(name: String, password: String)]) {
        var table: [[UInt8]: [User]] = [:]
        for (name, password) in users {
            func add(_ name: [UInt8], _ password: [UInt8], of user: String) {
                table[name, default: []].append(User(name: user, digest: SHA256.hash(data: password)))
            }
            add(Array(name.utf8), Array(password.utf8), of: name)
            guard let oldName = name.latin1, let oldPassword = password.latin1 else { continue }
            if (oldName, oldPassword) != (Array(name.utf8), Array(password.utf8)) {
                add(oldName, oldPassword, of: name)
            }
        }
        self.users = table
    }

    func verdict(on claim: Claim, from peer: SocketAddress?) -> Verdict? {
        let known = self.users[claim.identity] ?? []
        let digest = SHA256.hash(data: claim.proof)
        var accepted: String?
        // `==` on digests is constant-time, and none is left out.
        for user in known where user.digest == digest { accepted = accepted ?? user.name }
        if known.isEmpty { _ = digest == Self.nobody }
        return accepted.map { .accepted(name: $0) } ?? .denied
    }

    func admits(_ user: String?, letInBy former: any Authenticator) -> Bool {
        guard let user, let former = former as? Passwords, let known = former.digest(of: user) else { return false }
        return known == self.digest(of: user)
    }

    private func digest(of user: String) -> SHA256Digest? {
        self.users[Array(user.utf8)]?.first { $0.name == user }?.digest
    }
}

extension String {
    /// In ISO-8859-1; nil where it has no such letter.
    fileprivate var latin1: [UInt8]? {
        var bytes: [UInt8] = []
        for scalar in self.precomposedStringWithCanonicalMapping.unicodeScalars {
            guard let byte = UInt8(exactly: scalar.value) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
