// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOSSL

/// A certificate of `ca:` as the TLS library takes it for the end of a chain.
///
/// The library follows chains to a self-signed authority. An intermediate alone ends them too where it is marked as trusted
/// (OpenSSL's TRUSTED CERTIFICATE: the certificate, and behind it what it is trusted for).
enum TrustedCertificate {
    /// `SEQUENCE { SEQUENCE { serverAuth, clientAuth } }`
    private static let trust: [UInt8] =
        [0x30, 0x16, 0x30, 0x14] + Self.purpose(1) + Self.purpose(2)

    private static func purpose(_ number: UInt8) -> [UInt8] { [0x06, 0x08, 0x2B, 6, 1, 5, 5, 7, 3, number] }

    /// - Parameter der: a certificate.
    /// - Returns: nil if it is none.
    static func make(_ der: [UInt8]) -> NIOSSLCertificate? {
        guard Self.isSelfIssued(der) == false else { return try? NIOSSLCertificate(bytes: der, format: .der) }
        let body = Data(der + Self.trust).base64EncodedString(options: [
            .lineLength64Characters, .endLineWithLineFeed,
        ])
        let text = "-----BEGIN TRUSTED CERTIFICATE-----\n\(body)\n-----END TRUSTED CERTIFICATE-----\n"
        return try? NIOSSLCertificate.fromPEMBytes(Array(text.utf8)).first
    }

    /// Whether issuer and subject are the same; nil if the bytes are no certificate.
    ///
    /// `SEQUENCE { SEQUENCE { [0] version?, serial, algorithm, issuer, validity, subject, … } … }`
    static func isSelfIssued(_ der: [UInt8]) -> Bool? {
        var outer = der[...]
        guard var certificate = Self.content(of: 0x30, &outer), var body = Self.content(of: 0x30, &certificate) else {
            return nil
        }
        if body.first == 0xA0 { _ = Self.content(of: 0xA0, &body) }
        guard Self.content(of: 0x02, &body) != nil, Self.content(of: 0x30, &body) != nil,
            let issuer = Self.content(of: 0x30, &body), Self.content(of: 0x30, &body) != nil,
            let subject = Self.content(of: 0x30, &body)
        else { return nil }
        return issuer.elementsEqual(subject)
    }

    /// Takes one value with this tag off the front.
    private static func content(of tag: UInt8, _ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard bytes.popFirst() == tag, let first = bytes.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            guard first > 0x80, first <= 0x83 else { return nil }
            length = 0
            for _ in 0..<(first - 0x80) {
                guard let byte = bytes.popFirst() else { return nil }
                length = length << 8 | Int(byte)
            }
        }
        guard length <= bytes.count else { return nil }
        let content = bytes.prefix(length)
        bytes = bytes.dropFirst(length)
        return content
    }
}
