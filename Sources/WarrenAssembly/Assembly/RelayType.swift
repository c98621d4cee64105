// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

/// A kind of relay: a service that pairs carriers and routes nothing.
struct RelayType: Sendable {
    let entry: EntryType
    /// What a stranger on the path could read where the relay listens without TLS.
    let exposure: String
    /// Reads the keys of the type; nil after a report. Opens nothing.
    let read: @Sendable (Entry, Configuration.Limits) -> RelayDraft?

    init(
        _ name: String, exposure: String, read: @escaping @Sendable (Entry, Configuration.Limits) -> RelayDraft?
    ) {
        self.entry = EntryType(name, authority: "listen")
        self.exposure = exposure
        self.read = read
    }
}

/// A relay whose keys are good.
struct RelayDraft {
    let ports: [PortDraft]
    /// The host that its clients are told.
    var instance: Located<String>?
    let build: @Sendable (BuildContext) -> BuiltRelay
}

/// One of the addresses on which a relay listens.
struct PortDraft: Sendable {
    let key: String
    /// Follows the relay's name where there are several: empty for the first.
    let suffix: String
    let scheme: CarrierScheme
    let listen: ListenAddress
    /// Nil for a scheme without TLS.
    let tls: TLSMaterial?
    /// What stands before the paths that are asked for there, such as `/tunnel`; empty for nothing.
    var prefix = ""
}

/// A relay that is put together.
struct BuiltRelay {
    struct Port {
        /// Told where it listens.
        var onBound: @Sendable (SocketAddress) -> Void = { _ in }
        /// Takes over its connections.
        let install: @Sendable (any Leg, SocketLoop) throws -> Void
    }

    let part: any NodeComponent
    /// Where its connections live.
    let home: SocketLoop
    /// As many as the draft has, in the same order.
    let ports: [Port]
}

extension Section {
    /// The addresses under a key, one or several, with the `tls:` block beside it.
    ///
    /// - Returns: nil after a report.
    func portsToListen(_ key: String, tls: TLSMaterial?, hasTLS: Bool) -> [PortDraft]? {
        let addresses = self.required(key, .oneOrMore(.located(.carrierToListen)))
        return addresses?.enumerated().map { index, address in
            let suffix = index == 0 ? "" : ".\(index + 1)"
            let scheme = address.value.scheme(hasTLS: hasTLS)
            return self.port(address, scheme, key: key, suffix: suffix, tls: tls, hasTLS: hasTLS)
        }
    }

    /// One address; a scheme with TLS and no certificate for it is reported.
    func port(
        _ address: Located<CarrierAddress<ListenAddress>>, _ scheme: CarrierScheme, key: String, suffix: String,
        tls: TLSMaterial?, hasTLS: Bool
    ) -> PortDraft {
        if scheme.isSecure && !hasTLS {
            let hint =
                address.place.isArgument
                ? "write ?tls.cert=FILE&tls.key=FILE" : "write tls: { cert: FILE, key: FILE } beside it"
            self.findings.report("a listener with TLS needs a certificate", at: address.place, hint: hint)
        }
        return PortDraft(
            key: key, suffix: suffix, scheme: scheme, listen: address.value.address, tls: scheme.isSecure ? tls : nil,
            prefix: address.value.prefix
        )
    }
}
