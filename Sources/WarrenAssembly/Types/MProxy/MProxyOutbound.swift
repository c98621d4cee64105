// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenMProxy
import WarrenRuntime
import WarrenTokens

let mproxyExposure = "the tokens of devices, which names are visited, and everything that is not encrypted itself"

extension OutboundType {
    /// The relay: waits for devices and takes visitors to the one that serves their name.
    static let mproxy = OutboundType("mproxy", authority: "listen", exposure: mproxyExposure) { entry, limits in
        let section = entry.section
        let hosts = section.optional("host", .oneOrMore(.publicName)) ?? []
        let own = OwnNames(hosts)
        let arrival = section.arrival(ownsTLS: true) { own.detector(hasTLS: $0) }
        let key = section.tokenKey()
        let duplicates = section.value("duplicates", .oneOf(NameTable.Duplicates.self), default: .replace)
        let audience = section.optional("audience", .string)
        let needsExpiry = section.value("expiry", .bool, default: false)
        let linger = section.value("linger", .durationOrZero, default: .seconds(5))
        let stall = section.value("stall", .duration, default: SessionLimits.stall)
        let session = section.sessionLimits(limits)
        let usesExtension = section.readExtension()
        guard let arrival, let key else { return nil }
        if case .shared = arrival, hosts.isEmpty {
            if !section.contains("host") {
                section.missing("host", expected: "the relay's own name, by which devices are told from visitors")
            }
            return nil
        }
        let judge = TokenJudge(key, audience: audience, needsExpiry: needsExpiry)
        var draft = CustomOutboundDraft(arrival: arrival) { around in
            let plan = PublicNamesOutbound.Plan(duplicates: duplicates, judge: judge) { leg, outbound, loop in
                let service = MProxyService(host: hosts.first) { leg, upgrade, instance, loop in
                    let relay = MProxy.RelayConfiguration(
                        dialect: upgrade.dialect, token: upgrade.token, sharedName: hosts.first, linger: linger,
                        stall: stall, usesExtension: usesExtension && upgrade.usesExtension, limits: session)
                    let owner = outbound.owner(of: instance)
                    around.loops.context(on: loop).start(MProxy.RelayMachine(relay), on: leg, owner: owner)
                }
                var httpLimits = HTTPServiceLimits()
                httpLimits.timeout = session.handshake
                httpLimits.keepAlive = MProxyService.ping
                httpLimits.carriesSession = true
                try service.install(on: leg, loop: loop, limits: httpLimits)
            }
            return PublicNamesOutbound(
                plan, name: around.name, loops: around.loops, unit: around.unit, reporter: around.reporter)
        }
        draft.watched = [section.watchTokenKey(judge.exchange)]
        return .made(draft)
    }
}

extension Section {
    /// The key of `secretFile` or `publicKeyFile`; nil after a report.
    fileprivate func tokenKey() -> TokenJudge.Key? {
        let secret = self.optional("secretFile", .secretFile)
        let file = self.optional("publicKeyFile", .located(.file))
        guard !(self.contains("secretFile") && self.contains("publicKeyFile")) else {
            self.report("secretFile and publicKeyFile are both given", at: "publicKeyFile", hint: "remove one of them")
            return nil
        }
        if self.contains("secretFile") { return secret.flatMap { self.isLongEnough($0) ? .secret($0.text) : nil } }
        guard self.contains("publicKeyFile") else {
            self.missing("secretFile", expected: "a file with the secret that signs tokens, or publicKeyFile")
            return nil
        }
        guard let file else { return nil }
        do throws(Refusal) {
            guard let key = PublicTokenKey(pem: try TextFile.read(file.value, limit: NamedFile.longestKey)) else {
                throw Refusal(
                    "holds no key that tokens can be verified with",
                    hint: "write the public key of an RSA or P-256 key as PEM (BEGIN PUBLIC KEY)")
            }
            return .publicKey(key)
        } catch {
            let what = "\(quoted(file.value)) \(error.what ?? "cannot be read")"
            self.findings.report(what, at: file.place, hint: error.hint)
            return nil
        }
    }

    /// Has the file of ``tokenKey()`` read again when it changes.
    fileprivate func watchTokenKey(_ exchange: @escaping @Sendable (TokenJudge.Key) -> Void) -> FileWatcher.Watched {
        let node = ConfigNode(.map(self.pairs), at: self.place)
        let folder = self.folder
        let paths = ["secretFile", "publicKeyFile"].compactMap { key -> String? in
            guard case .scalar(let scalar)? = self.node(key)?.content else { return nil }
            return TextFile.path(scalar.text, in: folder)
        }
        return FileWatcher.Watched(paths: paths) {
            let findings = Findings()
            let key = Section(node, folder: folder, findings: findings).tokenKey()
            try findings.check()
            if let key { exchange(key) }
        }
    }
}

extension Section {
    /// Whether tokens can be signed with the secret of `secretFile`; reports if not.
    func isLongEnough(_ secret: Secret) -> Bool {
        guard secret.text.utf8.count < TokenJudge.shortestSecret else { return true }
        let hint = "write at least \(TokenJudge.shortestSecret) random characters, as openssl rand -hex 32 makes them"
        self.report("the secret is too short for signing tokens", at: "secretFile", hint: hint)
        return false
    }
}

extension ValueKind where Value == String {
    /// A name under which visitors come, in the form in which names are compared.
    static var publicName: Self {
        .scalar("a host name such as relay.example.net") { text throws(Refusal) in
            guard let name = HostName(text) else { throw Refusal("is no host name") }
            return name.text
        }
    }
}
