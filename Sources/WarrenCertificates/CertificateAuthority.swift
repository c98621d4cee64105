// SPDX-License-Identifier: Apache-2.0

package import Crypto
package import Foundation
import SwiftASN1
package import X509

/// An authority of one's own: ECDSA with P-256, and signs the certificates of hosts, not of other authorities.
package struct CertificateAuthority {
    /// A certificate and its secret key.
    package struct Signed {
        package let certificate: Certificate
        package let key: P256.Signing.PrivateKey
    }

    /// Ten years.
    static let lifetime: TimeInterval = 3650 * 86_400
    /// The longest that all common clients take, those of Apple included.
    static let hostLifetime: TimeInterval = 825 * 86_400
    /// Valid already for a machine whose clock is slow.
    static let slack: TimeInterval = 3600
    /// X.520, `ub-common-name`.
    private static let longestCommonName = 64

    package let certificate: Certificate
    package let key: P256.Signing.PrivateKey

    /// Makes a new one.
    package static func make(now: Date) throws -> CertificateAuthority {
        let key = P256.Signing.PrivateKey()
        let own = Certificate.PrivateKey(key)
        // Two authorities must not have the same name: who trusts both could not tell which one has signed.
        let tag = String(UInt32.random(in: .min ... .max), radix: 16)
        let subject = try DistinguishedName { CommonName("Warren authority \(tag)") }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: own.publicKey,
            notValidBefore: now - Self.slack, notValidAfter: now + Self.lifetime, issuer: subject, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: own.publicKey)
            },
            issuerPrivateKey: own)
        return CertificateAuthority(certificate: certificate, key: key)
    }

    private init(certificate: Certificate, key: P256.Signing.PrivateKey) {
        self.certificate = certificate
        self.key = key
    }

    /// Reads one that was made before.
    ///
    /// - Throws: ``CertificateFailure`` where the two do not belong together or sign nothing any more.
    package init(certificate: String, key: String, now: Date) throws(CertificateFailure) {
        guard let certificate = try? Certificate(pemEncoded: certificate) else {
            throw CertificateFailure("is no certificate in PEM")
        }
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: key) else {
            throw CertificateFailure("has a key that is no P-256 key in PEM")
        }
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw CertificateFailure("and its key do not belong together")
        }
        guard case .isCertificateAuthority? = try? certificate.extensions.basicConstraints else {
            throw CertificateFailure("is no certificate of an authority")
        }
        guard certificate.notValidBefore <= now, now < certificate.notValidAfter else {
            throw CertificateFailure("is not valid today")
        }
        self.init(certificate: certificate, key: key)
    }

    /// Makes a key and a certificate for a host, fit for a server and for a client.
    package func sign(_ names: [CertificateName], now: Date) throws -> Signed {
        let key = P256.Signing.PrivateKey()
        let own = Certificate.PrivateKey(key)
        let first = names.first?.text ?? ""
        let subject = try DistinguishedName {
            CommonName(first.utf8.count <= Self.longestCommonName ? first : "Warren")
        }
        let end = min(now + Self.hostLifetime, self.certificate.notValidAfter)
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: own.publicKey,
            notValidBefore: now - Self.slack, notValidAfter: end, issuer: self.certificate.subject, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectAlternativeNames(names.map(\.subjectAlternative))
                SubjectKeyIdentifier(hash: own.publicKey)
                AuthorityKeyIdentifier(
                    keyIdentifier: SubjectKeyIdentifier(hash: self.certificate.publicKey).keyIdentifier)
            },
            issuerPrivateKey: Certificate.PrivateKey(self.key))
        return Signed(certificate: certificate, key: key)
    }
}

/// Why no certificate was made, in one sentence with a remedy.
public struct CertificateFailure: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
