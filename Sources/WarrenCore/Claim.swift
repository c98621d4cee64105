// SPDX-License-Identifier: Apache-2.0

/// What a peer says of itself, for a judge outside the machine.
public struct Claim: Hashable, Sendable {
    /// A user name, a key hash, a token's bytes.
    public var identity: [UInt8]
    /// A password or digest, where the protocol has one apart from the identity.
    public var proof: [UInt8]

    public init(identity: [UInt8], proof: [UInt8] = []) {
        self.identity = identity
        self.proof = proof
    }
}

extension Claim {
    /// The identity for a log: a name without control characters, cut to 60 characters, or else the bytes in hexadecimal.
    public var shownIdentity: String {
        if let text = String(validating: self.identity, as: UTF8.self), !text.isEmpty {
            let scalars = text.unicodeScalars.prefix(60).map { scalar -> Unicode.Scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse: "?"
                default: scalar
                }
            }
            return String(String.UnicodeScalarView(scalars))
        }
        return self.identity.prefix(32)
            .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

/// The judge's answer to a ``Claim``.
public enum Verdict: Hashable, Sendable {
    /// `name` is for logs. `credential` is what the machine needs to go on (jProxy: the user's public key), or empty.
    case accepted(name: String, credential: [UInt8])
    case denied

    public static func accepted(name: String) -> Verdict { .accepted(name: name, credential: []) }
}
