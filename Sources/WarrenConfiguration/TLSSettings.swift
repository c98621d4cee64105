// SPDX-License-Identifier: Apache-2.0

/// A `tls:` block: which files and names a carrier uses. The files have been seen, not read.
package struct TLSSettings: Hashable, Sendable {
    package enum Role: Hashable, Sendable {
        /// Listens, so it must show a certificate.
        case server
        /// Dials, so it needs none.
        case client
    }

    /// A PEM file with the certificate chain, together with ``key``.
    package let certificate: Located<String>?
    package let key: Located<String>?
    /// A PEM file with the certificates to trust instead of those of the system.
    package let authority: Located<String>?
    /// The name to ask for and to verify, if it is not the host that is dialled.
    package let serverName: Located<String>?
    /// False trusts any certificate.
    package let verifies: Bool
    /// An end of the connection without TLS's own farewell is an orderly one, for peers that never send it; nil if nobody has
    /// said what it is.
    package var allowsTruncation: Bool?
    /// vproxy's programs may be at the other end, which never send that farewell and bear none.
    package var meetsVProxy = false
    /// Leaves key shares of more than a thousand bytes out of the ClientHello, for peers that look at its beginning only.
    package var keepsHelloSmall = false
    /// What is spoken inside, as ALPN names it (RFC 7301), the best first; empty to say nothing of it. A peer that names
    /// none of them, or nothing, is taken all the same.
    package var protocols: [String] = []
    package let role: Role
    package let place: Place

    package init(
        certificate: Located<String>?, key: Located<String>?, authority: Located<String>?, serverName: Located<String>?,
        verifies: Bool, role: Role, place: Place
    ) {
        self.certificate = certificate
        self.key = key
        self.authority = authority
        self.serverName = serverName
        self.verifies = verifies
        self.role = role
        self.place = place
    }
}

extension Section {
    /// The TLS block under a key: a map, `true` for the defaults of a client, `false` for none.
    ///
    /// - Returns: nil if there is no TLS, or after a report; ``Findings`` tell which.
    package func tls(_ key: String = "tls", for role: TLSSettings.Role) -> TLSSettings? {
        let expected = role == .server ? "a block of keys" : "true, or a block of keys"
        if let node = self.node(key, expected: expected), case .scalar = node.content {
            guard let isOn = self.optional(key, .bool), isOn else { return nil }
            guard role == .client else {
                let hint =
                    node.place.isArgument ? "write ?tls.cert=FILE&tls.key=FILE" : "write tls: { cert: FILE, key: FILE }"
                self.findings.report("a listener with TLS needs a certificate", at: node.place, hint: hint)
                return nil
            }
            return TLSSettings(
                certificate: nil, key: nil, authority: nil, serverName: nil, verifies: true, role: role,
                place: node.place
            )
        }
        let settings = self.section(key)?.tlsSettings(for: role)
        return self.isSample ? nil : settings
    }

    private func tlsSettings(for role: TLSSettings.Role) -> TLSSettings? {
        let certificate = self.optional("cert", .located(.file))
        let key = self.optional("key", .located(.privateFile))
        var settings = TLSSettings(
            certificate: certificate,
            key: key,
            authority: self.optional("ca", .located(.file)),
            serverName: self.optional("serverName", .located(.string)),
            verifies: self.value("verify", .bool, default: true),
            role: role,
            place: self.place
        )
        let truncation = self.value("truncation", .oneOf(["reset", "allow"]), default: "reset")
        settings.allowsTruncation = self.contains("truncation") ? truncation == "allow" : nil
        if self.contains("cert") != self.contains("key") || (role == .server && !self.contains("cert")) {
            let absent = self.contains("cert") ? "key" : "cert"
            self.missing(absent, expected: "a PEM file; cert and key go together")
        }
        if role == .client, !settings.verifies {
            self.findings.note("the certificate of the peer is not verified", at: self.place(of: "verify"))
        }
        return settings
    }
}
