// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOSSL
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

/// The files of a `tls:` block, read and checked.
struct TLSMaterial: Sendable {
    let context: NIOSSLContext
    let serverName: String?
    /// What dials with these files, wherever it stands: one for all, so that an exchange reaches all.
    let client: TLSClient
    private let settings: TLSSettings

    /// - Returns: nil after a report.
    init?(_ settings: TLSSettings, _ findings: Findings) {
        guard let configuration = Self.configuration(settings, findings) else { return nil }
        do {
            self.context = try NIOSSLContext(configuration: configuration)
        } catch {
            let hint = "check that key and certificate belong together; our own certificate comes first"
            findings.report("the TLS settings do not work", at: settings.place, hint: hint)
            return nil
        }
        self.serverName = settings.serverName?.value
        self.settings = settings
        self.client = TLSClient(context: self.context, serverName: self.serverName, ends: settings.ends)
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

    /// For a listener: its certificate is exchanged when the files change.
    private func server(_ around: BuildContext, _ watched: inout [FileWatcher.Watched]) -> TLSServer {
        let server = self.makeServer()
        self.watch(around, &watched, server.replace)
        return server
    }

    fileprivate func makeServer() -> TLSServer {
        TLSServer(context: self.context, ends: self.settings.ends)
    }

    /// Ends TLS on a listener.
    func layer(_ around: BuildContext, _ watched: inout [FileWatcher.Watched]) -> any AcceptLayer {
        TLSAcceptLayer(self.server(around, &watched), timeout: around.limits.handshake)
    }

    /// For what ends TLS with these files without a listener of its own: it is told when they change.
    fileprivate func watchServer(_ server: TLSServer, _ around: BuildContext, _ watched: inout [FileWatcher.Watched]) {
        self.watch(around, &watched, server.replace)
    }

    /// For what dials: new carriers use what the files hold then.
    func watchClient(_ around: BuildContext, _ watched: inout [FileWatcher.Watched]) {
        self.watch(around, &watched, self.client.replace)
    }

    private func watch(
        _ around: BuildContext, _ watched: inout [FileWatcher.Watched],
        _ replace: @escaping @Sendable (NIOSSLContext) -> Void
    ) {
        guard !self.files.isEmpty else { return }
        let inspect: @Sendable () -> [String] = {
            let findings = Findings()
            _ = TLSMaterial(self.settings, findings)
            return findings.notes.map(\.description)
        }
        let changed = FileWatcher.Watched(paths: self.files, inspect: inspect) { replace(try self.reread()) }
        watched.append(changed.reporting(to: around.reporter, about: around.name))
    }
}

extension TLSSettings {
    var ends: TLSEnds {
        switch (self.allowsTruncation, self.meetsVProxy) {
        case (nil, true): .bareBefore13
        case (true?, true): .bare
        case (true?, false): .taken
        case (nil, false), (false?, _): .announced
        }
    }

    /// What WebSocks has inside and around it.
    mutating func carriesWebSocks() {
        self.protocols = webSocksProtocols
        self.meetsVProxy = true
    }
}

// MARK: - Reading

extension TLSMaterial {
    private static func configuration(_ settings: TLSSettings, _ findings: Findings) -> TLSConfiguration? {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let certificate = settings.certificate, let key = settings.key {
            let chain = Self.certificates(certificate, findings)
            let secret = Self.key(key, findings)
            guard let chain, let secret else { return nil }
            if let own = chain.first { Self.noteValidity(of: own, certificate, findings) }
            Self.noteEnd(of: chain.dropFirst(), certificate, findings)
            let sources = chain.map { NIOSSLCertificateSource.certificate($0) }
            configuration = .makeServerConfiguration(certificateChain: sources, privateKey: .privateKey(secret))
        }
        configuration.minimumTLSVersion = .tlsv12
        if settings.keepsHelloSmall { configuration.curves = [.x25519, .secp256r1, .secp384r1] }
        configuration.applicationProtocols = settings.protocols
        // Signatures are taken of every kind of key that we take ourselves.
        configuration.verifySignatureAlgorithms = TLSSignatures.all
        if let authority = settings.authority {
            guard let trusted = Self.certificates(authority, findings, TrustedCertificate.make) else { return nil }
            Self.noteEnd(of: trusted, authority, findings)
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

    private static func certificates(
        _ file: Located<String>, _ findings: Findings,
        _ make: ([UInt8]) -> NIOSSLCertificate? = { try? NIOSSLCertificate(bytes: $0, format: .der) }
    ) -> [NIOSSLCertificate]? {
        do throws(Refusal) {
            let blocks = try PEMFile(path: file.value).certificates
            guard !blocks.isEmpty else {
                throw Refusal("holds no PEM certificate", hint: "name a PEM file (-----BEGIN CERTIFICATE-----)")
            }
            var found: [NIOSSLCertificate] = []
            for bytes in blocks {
                guard let certificate = make(bytes) else {
                    throw Refusal("holds a damaged certificate (number \(found.count + 1))", hint: "copy it anew")
                }
                found.append(certificate)
            }
            return found
        } catch {
            findings.report("\(file.value) \(error.what ?? "cannot be read")", at: file.place, hint: error.hint)
            return nil
        }
    }

    private static func key(_ file: Located<String>, _ findings: Findings) -> NIOSSLPrivateKey? {
        do throws(Refusal) {
            let key = try PEMFile(path: file.value).privateKey()
            // The library tells the kinds of keys apart by their labels, or not at all.
            let body = Data(key.bytes).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
            let text = "-----BEGIN \(key.label)-----\n\(body)\n-----END \(key.label)-----\n"
            guard let secret = try? NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem) else {
                let hint = "use RSA, P-256, P-384, P-521 or Ed25519"
                throw Refusal("holds a damaged private key, or one of a kind that is not known here", hint: hint)
            }
            return secret
        } catch {
            findings.report("\(file.value) \(error.what ?? "cannot be read")", at: file.place, hint: error.hint)
            return nil
        }
    }

    /// Certificates are exchanged before they end, if somebody is told in time.
    private static func noteValidity(
        of certificate: NIOSSLCertificate, _ file: Located<String>, _ findings: Findings
    ) {
        let now = Int(Date().timeIntervalSince1970)
        let (begins, ends) = (Int(certificate.notValidBefore), Int(certificate.notValidAfter))
        let shown = Self.day(max(begins > now ? begins : ends, 0))
        if ends < now {
            findings.note("the certificate in \(file.value) has expired on \(shown)", at: file.place, hint: "renew it")
        } else if begins > now {
            let what = "the certificate in \(file.value) is not yet valid: it begins on \(shown)"
            findings.note(what, at: file.place, hint: "check the clock")
        } else if ends - now < 14 * 86_400 {
            findings.note("the certificate in \(file.value) ends on \(shown)", at: file.place, hint: "renew it")
        }
    }

    /// Of authorities: old ones may lie beside those that count, so a word for each file will do.
    private static func noteEnd(
        of certificates: some Sequence<NIOSSLCertificate>, _ file: Located<String>, _ findings: Findings
    ) {
        let now = Int(Date().timeIntervalSince1970)
        guard let old = certificates.first(where: { Int($0.notValidAfter) < now }) else { return }
        let shown = Self.day(max(Int(old.notValidAfter), 0))
        let what = "an authority's certificate in \(file.value) has expired on \(shown)"
        findings.note(what, at: file.place, hint: "renew it, or take it out")
    }

    private static func day(_ time: Int) -> String {
        let text = Date(timeIntervalSince1970: TimeInterval(time)).formatted(.iso8601)
        return text.replacing("T", with: " ").replacing("Z", with: " UTC")
    }
}

extension TLSMaterial? {
    /// What a `tls:` block puts on a listener: nothing where there is none.
    func layers(_ around: BuildContext, _ watched: inout [FileWatcher.Watched]) -> [any AcceptLayer] {
        self.map { [$0.layer(around, &watched)] } ?? []
    }
}

/// TLS that is ended with the files of a `tls:` block behind no port of ours: made when the block is read, so that whatever
/// is built of it follows its files.
struct ServedTLS: Sendable {
    let server: TLSServer
    private let material: TLSMaterial

    init(_ material: TLSMaterial) {
        self.material = material
        self.server = material.makeServer()
    }

    func watch(_ around: BuildContext, _ watched: inout [FileWatcher.Watched]) {
        self.material.watchServer(self.server, around, &watched)
    }
}
