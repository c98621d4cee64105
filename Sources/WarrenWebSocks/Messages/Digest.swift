// SPDX-License-Identifier: Apache-2.0

import Crypto
public import WarrenCore

extension WebSocks {
    /// What stands in the place of a password: it is good for the minute it was made in, the one before and the one after.
    ///
    /// `base64(sha256(base64(sha256(password)) | decimal(start of the minute in ms)))`, 44 bytes of text.
    public enum Digest {
        static let minute: Int64 = 60_000

        /// The start of the minute, in milliseconds since 1970, as `milliseconds` are.
        public static func minute(of milliseconds: Int64) -> Int64 { milliseconds / Self.minute * Self.minute }

        /// `base64(sha256(password))`: all that a server needs to know of a password.
        public static func secret(password: String) -> [UInt8] {
            Base64.encode(SHA256.hash(data: Array(password.utf8)))
        }

        /// - Parameter minute: its start in milliseconds since 1970.
        public static func digest(secret: [UInt8], minute: Int64) -> [UInt8] {
            Base64.encode(SHA256.hash(data: secret + Array(String(minute).utf8)))
        }

        /// Whether the digest is that of the secret now, a minute ago or a minute ahead; all three are always made.
        static func isValid(_ digest: [UInt8], secret: [UInt8], at milliseconds: Int64) -> Bool {
            let number = milliseconds / Self.minute
            return ([-1, 0, 1] as [Int64]).reduce(false) { isFound, step in
                // Whatever the clock says, it does not stop the process.
                let expected = Self.digest(secret: secret, minute: (number &+ step) &* Self.minute)
                return Self.isEqual(digest, expected) || isFound
            }
        }

        /// Takes as long for one wrong byte as for all of them; only the lengths show.
        static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
            guard a.count == b.count else { return false }
            return zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
        }
    }

    /// The users of a server and what it knows of their passwords; for the judge of its claims, outside the machine.
    public struct Secrets: Sendable {
        private let secrets: [[UInt8]: [UInt8]]
        /// For users that there are not, so that they take as long.
        private let nobody = Digest.secret(password: "")

        /// - Parameter passwords: by user name, in the clear.
        public init(passwords: [String: String]) {
            self.init(secrets: passwords.mapValues { Digest.secret(password: $0) })
        }

        /// - Parameter secrets: by user name, each ``Digest/secret(password:)``.
        public init(secrets: [String: [UInt8]]) {
            self.secrets = Dictionary(secrets.map { (Array($0.key.utf8), $0.value) }) { first, _ in first }
        }

        /// - Parameter milliseconds: since 1970, now.
        public func verdict(on claim: Claim, at milliseconds: Int64) -> Verdict {
            let secret = self.secrets[claim.identity]
            let isValid = Digest.isValid(claim.proof, secret: secret ?? self.nobody, at: milliseconds)
            return isValid && secret != nil ? .accepted(name: claim.shownIdentity) : .denied
        }
    }
}
