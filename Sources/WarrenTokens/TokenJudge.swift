// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
package import JWTKit
package import NIOCore
import Synchronization
package import WarrenCore
import WarrenMProxy
package import WarrenRuntime

/// What a token of a device says (RFC 7519): whose it is, which names and ports it may serve, until when.
package struct TokenClaims: JWTPayload {
    /// A port as deployed devices write it: a number, or a number in a text.
    package struct Port: Codable, Sendable {
        package let number: UInt16

        package init(_ number: UInt16) { self.number = number }

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(UInt16.self) {
                self.number = number
            } else if let number = UInt16(try container.decode(String.self)) {
                self.number = number
            } else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "no port")
            }
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(self.number)
        }
    }

    package var sub: String?
    package var exp: ExpirationClaim?
    package var nbf: NotBeforeClaim?
    package var aud: AudienceClaim?
    package var jti: String?
    package var domains: [String]?
    package var ports: [Port]?

    package init() {}

    package func verify(using algorithm: some JWTAlgorithm) throws {
        try self.exp?.verifyNotExpired()
        try self.nbf?.verifyNotBefore()
    }
}

/// Judges the tokens of devices by one key and its algorithm, which can be exchanged. A token is never logged.
package final class TokenJudge: Authenticator {
    /// HS256 asks for a secret that is as long as its hash (RFC 7518, section 3.2), in bytes.
    package static let shortestSecret = 32

    /// What a token is signed with.
    package enum Key: Hashable, Sendable {
        /// HS256.
        case secret(String)
        /// RS256 or ES256, by the kind of the key.
        case publicKey(PublicTokenKey)
    }

    /// A key, ready to verify.
    private struct Verifier: Sendable {
        let key: Key
        let keys: JWTKeyCollection
        let algorithm: String
        private let ready: Task<Void, Never>

        init(_ key: Key) {
            let keys = JWTKeyCollection()
            self.key = key
            self.keys = keys
            self.algorithm =
                switch key {
                case .secret: "HS256"
                case .publicKey(let key): key.algorithm
                }
            self.ready = Task {
                switch key {
                case .secret(let secret):
                    await keys.add(hmac: HMACKey(from: Data(secret.utf8)), digestAlgorithm: .sha256)
                case .publicKey(let key): await key.add(to: keys)
                }
            }
        }

        func claims(of token: [UInt8]) async -> TokenClaims? {
            await self.ready.value
            // The header decides nothing: a token that says another algorithm than ours is none.
            guard let header = try? DefaultJWTParser().parse(token, as: TokenClaims.self).header,
                header.alg == self.algorithm
            else { return nil }
            return try? await self.keys.verify(token, as: TokenClaims.self)
        }
    }

    private let verifier: Mutex<Verifier>
    private let audience: String?
    private let needsExpiry: Bool

    /// - Parameters:
    ///   - audience: what a token's `aud` must name, where it has one.
    ///   - needsExpiry: a token without `exp` is refused; those that deployed devices make have none.
    package init(_ key: Key, audience: String?, needsExpiry: Bool) {
        self.verifier = Mutex(Verifier(key))
        self.audience = audience
        self.needsExpiry = needsExpiry
    }

    /// Tokens that come from now on are judged by this key; tunnels that are up stay.
    package func exchange(_ key: Key) {
        let verifier = Verifier(key)
        self.verifier.withLock { $0 = verifier }
    }

    package func judge(_ claim: Claim, from peer: SocketAddress?) async -> Verdict {
        let verifier = self.verifier.withLock { $0 }
        guard let claims = await verifier.claims(of: claim.proof), claims.exp != nil || !self.needsExpiry,
            self.isForUs(claims.aud)
        else { return .denied }
        var entitlement = MProxy.Entitlement(
            names: claims.domains ?? [], ports: (claims.ports ?? []).map(\.number).filter { $0 > 0 })
        entitlement.lifetime = claims.exp.map { Self.left(until: $0.value) }
        let credential = Array(entitlement.claims.readableBytesView)
        // Bad names are the machine's business, which reads the claims as it would anybody's.
        return .accepted(name: Self.device(claims, claim.proof), credential: credential)
    }

    /// Whatever a token of another key said is not looked at again, so the key must be the same.
    package func admits(_ user: String?, letInBy former: any Authenticator) -> Bool {
        guard let former = former as? TokenJudge else { return false }
        return former.key == self.key && former.audience == self.audience && former.needsExpiry == self.needsExpiry
    }

    private var key: Key { self.verifier.withLock { $0.key } }

    /// - Parameter end: however far away somebody wrote it.
    private static func left(until end: Date) -> TimeAmount {
        .milliseconds(Int64(min(max(end.timeIntervalSinceNow, 0), 1e9) * 1000))
    }

    private func isForUs(_ audience: AudienceClaim?) -> Bool {
        guard let wanted = self.audience, let audience else { return true }
        return audience.value.contains(wanted)
    }

    /// Who it is, for the log and for taking names over: what the token says, or the token itself without showing it.
    private static func device(_ claims: TokenClaims, _ token: [UInt8]) -> String {
        if let name = claims.sub ?? claims.jti, !name.isEmpty {
            return Claim(identity: Array(name.utf8)).shownIdentity
        }
        let print = SHA256.hash(data: token).prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(claims.domains?.first ?? "device")#\(print)"
    }
}

/// A public key that tokens are verified with.
package struct PublicTokenKey: Hashable, Sendable {
    private enum Kind: Sendable {
        case rsa(JWTKit.Insecure.RSA.PublicKey)
        case ecdsa(ES256PublicKey)
    }

    private let kind: Kind
    private let pem: String

    package static func == (a: PublicTokenKey, b: PublicTokenKey) -> Bool { a.pem == b.pem }
    package func hash(into hasher: inout Hasher) { hasher.combine(self.pem) }

    /// - Parameter pem: `-----BEGIN PUBLIC KEY-----`.
    /// - Returns: nil for what is neither an RSA key nor one on the curve P-256.
    package init?(pem: String) {
        self.pem = pem
        if let key = try? ES256PublicKey(pem: pem) {
            self.kind = .ecdsa(key)
        } else if let key = try? JWTKit.Insecure.RSA.PublicKey(pem: pem) {
            self.kind = .rsa(key)
        } else {
            return nil
        }
    }

    var algorithm: String {
        switch self.kind {
        case .rsa: "RS256"
        case .ecdsa: "ES256"
        }
    }

    func add(to keys: JWTKeyCollection) async {
        switch self.kind {
        case .rsa(let key): await keys.add(rsa: key, digestAlgorithm: .sha256)
        case .ecdsa(let key): await keys.add(ecdsa: key)
        }
    }
}

extension TokenClaims {
    /// Signs a token with a secret, by HS256.
    package func signed(by secret: String) async throws -> String {
        let keys = JWTKeyCollection()
        await keys.add(hmac: HMACKey(from: Data(secret.utf8)), digestAlgorithm: .sha256)
        return try await keys.sign(self)
    }
}

extension TokenClaims {
    /// - Parameter seconds: from now.
    package mutating func expire(in seconds: Double) {
        // Whole seconds: some readers take no others.
        let end = (Date().timeIntervalSince1970 + seconds).rounded(.down)
        self.exp = ExpirationClaim(value: Date(timeIntervalSince1970: end))
    }

    package mutating func audience(_ name: String?) { self.aud = name.map { AudienceClaim(value: $0) } }
}
