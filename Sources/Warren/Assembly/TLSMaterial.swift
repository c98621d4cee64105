// SPDX-License-Identifier: Apache-2.0

import NIOSSL
import WarrenRuntime

/// The files of a `tls:` block, read and checked.
struct TLSMaterial: Sendable {
    let context: NIOSSLContext
    let serverName: String?
    private let settings: TLSSettings

    /// - Returns: nil after a report.
    init?(_ settings: TLSSettings, _ findings: Findings) {
        guard let configuration = Self.configuration(settings, findings) else { return nil }
        do {
            self.context = try NIOSSLContext(configuration: configuration)
        } catch {
            let hint = "check that key and certificate belong together"
            findings.report("the TLS settings do not work: \(error)", at: settings.place, hint: hint)
            return nil
        }
        self.serverName = settings.serverName?.value
        self.settings = settings
    }

    /// The files that make new carriers use another certificate when they change.
    var files: [String] {
        [self.settings.certificate, self.settings.key, self.settings.authority].compactMap { $0?.value }
    }

    /// Reads the files anew.
    ///
    /// - Throws: the problems, if what is there now does not work.
    func reread() throws(ConfigurationFailure) -> NIOSSLContext {
        let findings = Findings()
        let fresh = TLSMaterial(self.settings, findings)
        try findings.check()
        return fresh?.context ?? self.context
    }

    private static func configuration(_ settings: TLSSettings, _ findings: Findings) -> TLSConfiguration? {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let certificate = settings.certificate, let key = settings.key {
            guard let chain = Self.certificates(certificate, findings), let secret = Self.key(key, findings) else {
                return nil
            }
            let sources = chain.map { NIOSSLCertificateSource.certificate($0) }
            configuration = .makeServerConfiguration(certificateChain: sources, privateKey: .privateKey(secret))
        }
        configuration.minimumTLSVersion = .tlsv12
        if let authority = settings.authority {
            guard let trusted = Self.certificates(authority, findings) else { return nil }
            configuration.trustRoots = .certificates(trusted)
        }
        // A listener asks for certificates only where it was told whom to trust.
        let isServer = settings.certificate != nil && settings.role == .server
        configuration.certificateVerification =
            switch (isServer, settings.authority != nil, settings.verifies) {
            case (true, true, _): .noHostnameVerification
            case (true, false, _), (false, _, false): .none
            case (false, _, true): .fullVerification
            }
        return configuration
    }

    private static func certificates(_ file: Located<String>, _ findings: Findings) -> [NIOSSLCertificate]? {
        do {
            let found = try NIOSSLCertificate.fromPEMFile(file.value)
            if !found.isEmpty { return found }
        } catch {}
        findings.report("there is no PEM certificate in \(file.value)", at: file.place, hint: "name a PEM file")
        return nil
    }

    private static func key(_ file: Located<String>, _ findings: Findings) -> NIOSSLPrivateKey? {
        do {
            return try NIOSSLPrivateKey(file: file.value, format: .pem)
        } catch {
            findings.report("there is no PEM private key in \(file.value)", at: file.place, hint: "name a PEM file")
            return nil
        }
    }
}
