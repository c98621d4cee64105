// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenSecureDatagrams

extension Section {
    /// `key` and `clients` of the end that is dialled; nil without a key, or after a report.
    func listenerKey(for carrier: TunnelCarrier?) -> SecureDatagrams.ListenerKey? {
        let own = self.ownKey(for: carrier, with: "clients")
        let paths = self.optional("clients", .oneOrMore(.located(.path)))
        switch own {
        case nil: return nil
        case .shared(let key):
            self.checkAlone("clients")
            return .shared(key)
        case .own(let key):
            guard self.contains("clients") else {
                self.missing("clients", expected: "the .pub files of those who may come in, or a folder with them")
                return nil
            }
            guard let clients = paths.flatMap(self.publicKeys) else { return nil }
            return .pair(own: key, clients: clients)
        }
    }

    /// `key` and `serverKey` of the end that dials; nil without a key, or after a report.
    func initiatorKey(for carrier: TunnelCarrier?) -> SecureDatagrams.InitiatorKey? {
        let own = self.ownKey(for: carrier, with: "serverKey")
        let path = self.optional("serverKey", .located(.file))
        switch own {
        case nil: return nil
        case .shared(let key):
            self.checkAlone("serverKey")
            return .shared(key)
        case .own(let key):
            guard self.contains("serverKey") else {
                self.missing("serverKey", expected: "the server's .pub file, as key is that of a pair")
                return nil
            }
            guard let path else { return nil }
            return self.reporting(path) { path throws(Refusal) in
                .pair(own: key, server: try VProxyKeys.publicKey(at: path))
            }
        }
    }

    private func ownKey(for carrier: TunnelCarrier?, with other: String) -> VProxyKey? {
        let path = self.optional("key", .located(.privateFile))
        guard carrier == .kcp else {
            for key in ["key", other] where self.contains(key) && carrier != nil {
                self.report("\(key) is for carrier: kcp", at: key, hint: "remove it, or write carrier: kcp")
            }
            return nil
        }
        guard self.contains("key") else {
            if self.contains(other) { self.missing("key", expected: "this end's own key, as there is \(other)") }
            return nil
        }
        return path.flatMap { self.reporting($0) { path throws(Refusal) in try VProxyKey(path: path) } }
    }

    private func checkAlone(_ other: String) {
        guard self.contains(other) else { return }
        let hint = "remove it, or make a pair for each end with: warren keygen vproxy NAME"
        self.report("\(other) goes with a key pair, and key is a shared secret", at: other, hint: hint)
    }

    private func publicKeys(of paths: [Located<String>]) -> Set<SecureDatagrams.PublicKey>? {
        let sets = paths.map { self.reporting($0) { path throws(Refusal) in try VProxyKeys.publicKeys(at: path) } }
        let keys = sets.reduce(into: Set<SecureDatagrams.PublicKey>()) { $0.formUnion($1 ?? []) }
        guard !sets.contains(where: { $0 == nil }) else { return nil }
        if keys.isEmpty, let place = paths.first?.place {
            let hint = "copy the .pub files of clients there"
            self.findings.note("there are no public keys, so nobody can come in yet", at: place, hint: hint)
        }
        return keys
    }

    private func reporting<Value>(
        _ path: Located<String>, _ read: (String) throws(Refusal) -> Value
    ) -> Value? {
        do throws(Refusal) { return try read(path.value) } catch {
            let what = "\(path.value) \(error.what ?? "cannot be read")"
            self.findings.report(what, at: path.place, hint: error.hint)
            return nil
        }
    }
}
