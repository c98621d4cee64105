// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL

/// Why a TLS connection failed, in words for an operator instead of those of the library.
enum TLSFailure {
    static func sentence(for error: any Error) -> String {
        switch error {
        case NIOSSLError.handshakeFailed(let cause): return Self.sentence(for: cause)
        case NIOSSLError.uncleanShutdown: return "TLS: the peer ended without saying so"
        case NIOSSLError.unableToValidateCertificate: return "TLS: the certificate of the peer is not trusted"
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            return "TLS: the certificate of the peer is for another name"
        default: return "\(error)"
        }
    }

    /// The library tells its reasons apart by text only.
    private static func sentence(for cause: BoringSSLError) -> String {
        let text = "\(cause)"
        let reasons = [
            ("CERTIFICATE_VERIFY_FAILED", "the certificate of the peer is not trusted"),
            ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the peer has no certificate and must have one"),
            ("TLSV1_ALERT_UNKNOWN_CA", "the peer does not trust our certificate"),
            ("TLSV1_CERTIFICATE_REQUIRED", "the peer wants a certificate: set tls: cert: and key:"),
            ("SSLV3_ALERT_BAD_CERTIFICATE", "the peer does not accept our certificate"),
            ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "our certificate has expired"),
            ("CERTIFICATE_EXPIRED", "the certificate of the peer has expired"),
            ("WRONG_VERSION_NUMBER", "the peer does not speak TLS"),
            ("HTTP_REQUEST", "the peer speaks HTTP without TLS"),
            ("UNSUPPORTED_PROTOCOL", "the peer speaks an old version of TLS only"),
        ]
        let known = reasons.first { text.contains($0.0) }?.1
        return "TLS: \(known ?? "the handshake failed")"
    }
}
