// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOSSL
import WarrenCore

/// Why TLS failed, in a sentence of our own.
struct TLSProblem: Error, Hashable, CustomStringConvertible {
    let description: String

    private init(_ sentence: String) { self.description = "TLS: \(sentence)" }

    static let notTrusted = TLSProblem(
        "the certificate of the peer is not trusted: no authority we know, or an intermediate is missing or expired"
    )
    static let truncated = TLSProblem("the peer ended the connection without saying so in TLS")
    static let addressElsewhere = TLSProblem("serverName is an address, and another one is dialled")
    static let cutOff = TLSProblem(libraryText: "EOF during", .server)
    fileprivate static let failed = TLSProblem("the handshake failed")

    /// A certificate that is not valid now; nil if it is.
    init?(validityOf certificate: NIOSSLCertificate, at now: Int) {
        if Int(certificate.notValidAfter) < now {
            self.init("the certificate of the peer has expired on \(Self.day(certificate.notValidAfter))")
        } else if Int(certificate.notValidBefore) > now {
            let day = Self.day(certificate.notValidBefore)
            self.init("the certificate of the peer is not yet valid: it begins on \(day); check the clock")
        } else {
            return nil
        }
    }

    /// A certificate for somebody else.
    init(expected: String, certificate: NIOSSLCertificate?) {
        let names = certificate.map(Self.names) ?? []
        let shown = names.isEmpty ? "it names nobody" : "it is for \(names.prefix(8).joined(separator: ", "))"
        self.init("the certificate of the peer is for another name than \(Self.clean(expected)): \(shown)")
    }

    /// The library tells its reasons apart by text only.
    init(libraryText text: String, _ side: TLSReasons.Side) {
        let known = Self.reasons.first { text.contains($0.word) }
        switch side {
        case .server: self.init(known?.server ?? "the handshake failed")
        case .client: self.init(known?.client ?? "the handshake failed")
        }
    }

    /// `2026-11-28 05:00:00 UTC`.
    static func day(_ time: time_t) -> String {
        let text = Date(timeIntervalSince1970: TimeInterval(time)).formatted(.iso8601)
        return text.replacing("T", with: " ").replacing("Z", with: " UTC")
    }

    private static func names(_ certificate: NIOSSLCertificate) -> [String] {
        certificate._subjectAlternativeNames().compactMap { name in
            let bytes = name.contents.withUnsafeBufferPointer { Array($0) }
            switch name.nameType {
            case .dnsName: return Self.clean(String(decoding: bytes, as: UTF8.self))
            case .ipAddress: return Self.address(bytes)
            default: return nil
            }
        }
    }

    private static func address(_ bytes: [UInt8]) -> String? {
        func number(_ part: some Sequence<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: return "\(IPAddress(v4: UInt32(truncatingIfNeeded: number(bytes))))"
        case 16: return "\(IPAddress(high: number(bytes.prefix(8)), low: number(bytes.suffix(8))))"
        default: return nil
        }
    }

    /// A name from a certificate may hold anything.
    private static func clean(_ text: String) -> String {
        String(text.unicodeScalars.prefix(100).map { (0x21...0x7E).contains($0.value) ? Character($0) : "?" })
    }
}

extension TLSProblem {
    private struct Reason {
        let word: String
        let client: String
        let server: String

        init(_ word: String, client: String, server: String) {
            self.word = word
            self.client = client
            self.server = server
        }

        init(_ word: String, _ both: String) { self.init(word, client: both, server: both) }
    }

    private static let reasons = [
        Reason(
            "PEER_DID_NOT_RETURN_A_CERTIFICATE", "the peer has shown no certificate and must have one (ca: is set here)"
        ),
        Reason("TLSV1_ALERT_UNKNOWN_CA", "the peer does not trust our certificate: it has another authority"),
        Reason(
            "CERTIFICATE_REQUIRED", client: "the peer wants a certificate: set tls: cert: and key:",
            server: "the peer wants a certificate"),
        Reason("ALERT_BAD_CERTIFICATE", "the peer does not accept our certificate"),
        Reason("ALERT_UNSUPPORTED_CERTIFICATE", "the peer does not accept a certificate of our kind"),
        Reason("ALERT_CERTIFICATE_REVOKED", "the peer says that our certificate is revoked"),
        Reason("ALERT_CERTIFICATE_EXPIRED", "the peer says that our certificate has expired"),
        Reason("ALERT_CERTIFICATE_UNKNOWN", "the peer does not accept our certificate"),
        Reason("ALERT_ACCESS_DENIED", "the peer denies us access after it has seen our certificate"),
        Reason("ALERT_UNRECOGNIZED_NAME", "the peer does not serve this name: set tls: serverName:"),
        Reason("ALERT_NO_APPLICATION_PROTOCOL", "the peer speaks none of the protocols that we offer"),
        Reason("NO_COMMON_SIGNATURE_ALGORITHMS", "the two ends have no kind of signature in common"),
        Reason("ALERT_PROTOCOL_VERSION", "the peer speaks an old version of TLS only; we speak 1.2 and 1.3"),
        Reason("UNSUPPORTED_PROTOCOL", "the peer speaks an old version of TLS only; we speak 1.2 and 1.3"),
        Reason("NO_SHARED_CIPHER", "the two ends have no cipher in common"),
        Reason(
            "ALERT_HANDSHAKE_FAILURE",
            "the peer refuses the handshake: it wants a certificate, or other versions or ciphers than ours"),
        Reason("HTTP_REQUEST", "the peer speaks HTTP without TLS"),
        Reason("HTTPS_PROXY_REQUEST", "the peer asks an HTTP proxy without TLS"),
        Reason("WRONG_VERSION_NUMBER", "the peer does not speak TLS"),
        Reason("EOF during", "the peer ended the connection in the middle of the handshake"),
        Reason("ALERT_INTERNAL_ERROR", "the peer has an error of its own"),
        Reason("ALERT_DECRYPT_ERROR", "the peer says that our signature is wrong"),
        Reason("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "a record has been damaged on the way"),
        Reason("NO_RENEGOTIATION", "the peer wants to renegotiate, which Warren never does"),
        Reason("CERTIFICATE_VERIFY_FAILED", "the certificate of the peer is not trusted"),
    ]
}

/// Why a TLS connection failed, in words for an operator instead of those of the library.
enum TLSFailure {
    static func sentence(for error: any Error) -> String {
        switch error {
        case let problem as TLSProblem: problem.description
        case NIOSSLError.uncleanShutdown: TLSProblem.truncated.description
        case let fault as StreamFault: "connection lost: \(fault.rawValue)"
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError: TLSProblem.failed.description
        default: "\(error)"
        }
    }
}
