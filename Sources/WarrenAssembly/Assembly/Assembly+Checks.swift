// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenCore
import WarrenRuntime

// What is found when all entries are looked at together.
extension Assembly {
    /// Somewhere to listen, as the file has it.
    struct ListeningAddress {
        let entry: Entry
        let key: String
        let listen: ListenAddress
        /// UDP's ports are others than those of TCP.
        var isUDP = false
        /// By TLS, or by a key below KCP.
        let isSealed: Bool
        let exposure: String
        /// Whoever reaches it may have it connect to wherever the egress policy allows.
        let isOpenToAll: Bool

        var place: Place { self.entry.section.place(of: self.key) }

        /// From elsewhere than this machine.
        var isReachable: Bool { self.listen.host?.isLoopback != true }
    }

    static func places(_ inbounds: [Inbound], _ outbounds: [Outbound], _ relays: [Relay]) -> [ListeningAddress] {
        let listening = inbounds.compactMap { inbound -> ListeningAddress? in
            guard case .listening(let draft) = inbound.draft else { return nil }
            return ListeningAddress(
                entry: inbound.entry, key: "listen", listen: draft.listen, isUDP: draft.kcp != nil,
                isSealed: draft.tls != nil || draft.key != nil,
                exposure: inbound.type.exposure, isOpenToAll: draft.isOpenToAll
            )
        }
        let files = inbounds.compactMap { inbound -> ListeningAddress? in
            guard case .listening(let draft) = inbound.draft, let pac = draft.pac else { return nil }
            return ListeningAddress(
                entry: inbound.entry, key: "pac", listen: pac.listen, isSealed: false,
                exposure: "which hosts the file for browsers names", isOpenToAll: false)
        }
        let arrivals = outbounds.compactMap { outbound -> ListeningAddress? in
            guard case .port(let port) = outbound.arrival else { return nil }
            return ListeningAddress(outbound.entry, port, outbound.type.exposure ?? "")
        }
        let meetings = relays.flatMap { relay in
            relay.draft.ports.map { ListeningAddress(relay.entry, $0, relay.type.exposure) }
        }
        return listening + files + arrivals + meetings
    }

    /// A port can be shared with an inbound that listens, and leads to the outbound: both live on one loop then.
    static func checkShared(_ outbounds: [Outbound], _ inbounds: [Entry], _ findings: Findings) {
        for outbound in outbounds {
            guard case .shared(let name, _) = outbound.arrival else { continue }
            guard let inbound = inbounds.first(where: { $0.name == name.value }) else {
                let hint = Nearest.hint("inbound", for: name.value, among: inbounds.map(\.name))
                findings.report("there is no inbound \(quoted(name.value))", at: name.place, hint: hint)
                continue
            }
            let isRelay = outbound.entry.type == "mproxy"
            let canShare = isRelay ? inbound.type == "public" : ["mixed", "socks5", "http"].contains(inbound.type)
            guard !canShare || inbound.to?.value != outbound.entry.name else { continue }
            let what = "\(quoted(name.value)) cannot share its port"
            let kind = isRelay ? "public" : "mixed, socks5 or http"
            let hint = "name a \(kind) inbound that leads to: \(outbound.entry.name)"
            findings.report(what, at: name.place, hint: hint)
        }
    }

    /// Two listeners on one address would only be found when the second one is bound.
    static func checkPorts(_ places: [ListeningAddress], _ findings: Findings) {
        var taken: [Bool: [ListenAddress: Entry]] = [:]
        for place in places where place.listen.port > 0 {
            if let other = taken[place.isUDP, default: [:]].updateValue(place.entry, forKey: place.listen) {
                let what = "\(quoted(other.name)) listens on \(place.listen) already"
                let canShare = other.type == "public" && place.entry.type == "mproxy"
                let hint = canShare ? "write sharedWith: \(other.name) in its place" : "choose another port"
                findings.report(what, at: place.entry.section.place(of: place.key), hint: hint)
            }
        }
    }

    /// An inbound without a target needs an outbound that has one.
    static func checkTargets(_ inbounds: [Inbound], _ outbounds: [Entry], _ findings: Findings) {
        for inbound in inbounds where inbound.draft.needsTarget {
            let outbound = outbounds.first { $0.name == inbound.entry.to?.value }
            let type = Registry.outbounds.first { $0.entry.name == outbound?.type }
            guard type?.knowsTarget != true else { continue }
            inbound.entry.section.missing(
                "target", expected: "a host and port, or an outbound under \"to\" that knows where to go"
            )
        }
    }

    /// Public names are served by one kind of outbound.
    static func checkNames(_ inbounds: [Inbound], _ outbounds: [Entry], _ findings: Findings) {
        for inbound in inbounds where inbound.needsNames {
            let name = inbound.entry.to?.value ?? Entry.direct
            guard outbounds.first(where: { $0.name == name })?.type != "mproxy" else { continue }
            let what = "\(quoted(inbound.entry.name)) leads to \(quoted(name)), which serves no public names"
            let hint = "write to: and the name of an mproxy outbound"
            findings.report(what, at: inbound.entry.to?.place ?? inbound.entry.section.place, hint: hint)
        }
    }

    /// Only what dials a carrier can do it through something.
    static func checkThrough(_ inbounds: [Inbound], _ outbounds: [Outbound], _ findings: Findings) {
        let entries = inbounds.map { ($0.entry, $0.carriers) } + outbounds.map { ($0.entry, $0.carriers) }
        for (entry, carriers) in entries where carriers.isEmpty {
            guard let through = entry.through else { continue }
            let hint = "only what dials a server or a relay can be reached through an outbound"
            findings.report("\(quoted(entry.name)) dials no carrier", at: through.place, hint: hint)
        }
    }

    /// An inbound that leads to its own port would fill the process with one user's connection.
    static func checkCircles(_ inbounds: [Inbound], _ outbounds: [Entry], _ findings: Findings) {
        for inbound in inbounds {
            guard case .listening(let draft) = inbound.draft, let target = draft.target else { continue }
            let outbound = outbounds.first { $0.name == inbound.entry.to?.value }
            guard outbound.map({ $0.type == "direct" }) ?? true, draft.listen.isReached(by: target) else { continue }
            let place = inbound.entry.section.place(of: "target")
            let hint = "name another port, or listen on one"
            findings.report("leads to itself: it listens on \(draft.listen)", at: place, hint: hint)
        }
    }

    static func noteExposures(_ places: [ListeningAddress], _ findings: Findings) {
        for place in places where place.isReachable && !place.isSealed {
            let name = "\(place.entry.name) (\(place.entry.type)) listens on \(place.listen) without TLS"
            let what = "\(name): a stranger on the path could read \(place.exposure)"
            findings.note(what, at: place.place)
        }
    }

    static func noteOpenPlaces(_ places: [ListeningAddress], _ findings: Findings) {
        for place in places where place.isReachable && place.isOpenToAll {
            let name = "\(place.entry.name) (\(place.entry.type)) listens on \(place.listen) without users"
            findings.note("\(name): everybody who reaches it may use it", at: place.place)
        }
    }

    static func noteExposures(dialling inbounds: [Inbound], _ outbounds: [Outbound], _ findings: Findings) {
        for inbound in inbounds {
            for carrier in inbound.carriers { carrier.noteExposure(inbound.entry, inbound.type.exposure, findings) }
        }
        for outbound in outbounds {
            guard let exposure = outbound.type.exposure else { continue }
            for carrier in outbound.carriers { carrier.noteExposure(outbound.entry, exposure, findings) }
        }
    }

    /// An outbound that no stream can take was probably meant to be named somewhere.
    static func noteUnused(_ configuration: Configuration, _ findings: Findings) {
        var used = Set((configuration.inbounds + configuration.outbounds).compactMap(\.through?.value))
        used.formUnion(configuration.inbounds.map { $0.to?.value ?? Entry.direct })
        used.formUnion(configuration.routes.flatMap { $0.to.map(\.value) })
        for outbound in configuration.outbounds where !used.contains(outbound.name) {
            guard outbound.name != Entry.direct else { continue }
            let what = "nothing leads to the outbound \(quoted(outbound.name))"
            findings.note(what, at: outbound.place, hint: "name it under to:, in routes: or under through:")
        }
    }
}

extension Assembly.ListeningAddress {
    fileprivate init(_ entry: Entry, _ port: PortDraft, _ exposure: String) {
        self.init(
            entry: entry, key: port.key, listen: port.listen, isSealed: port.tls != nil, exposure: exposure,
            isOpenToAll: false
        )
    }
}

extension ListenAddress {
    /// Whether a connection from this machine to the target ends here.
    fileprivate func isReached(by target: Target) -> Bool {
        guard self.port > 0, self.port == target.port else { return false }
        // To no address at all means to this machine.
        let isLocal = target.host.isLoopback || target.host.isUnspecified
        guard let host, !host.isUnspecified else { return isLocal }
        return host == target.host || (host.isLoopback && isLocal && (host.isNamed || target.host.isNamed))
            || (target.host.isUnspecified && host.isLoopback)
    }
}

extension Assembly.Inbound {
    /// It must lead to an outbound that serves public names.
    var needsNames: Bool {
        if case .listening(let draft) = self.draft { draft.needsNames } else { false }
    }
}

extension InboundDraft {
    fileprivate var needsTarget: Bool {
        switch self {
        case .listening(let draft): draft.needsTarget
        case .part(let draft): draft.needsTarget
        }
    }
}

extension CarrierDraft {
    /// A word of warning, where somebody on the path could read.
    fileprivate func noteExposure(_ entry: Entry, _ exposure: String, _ findings: Findings) {
        guard self.tls == nil, self.key == nil, !self.target.host.isLoopback else { return }
        let key = ["relay", "dial", "server"].first { entry.section.contains($0) } ?? "name"
        let place = entry.section.place(of: key)
        // Nobody gave a name to the one entry of a command.
        guard !entry.isOfCommand else {
            let what = "\(self.target) is reached without TLS, so others on the path can read along and join"
            return findings.note(what, at: place, hint: "use tls:// if the relay has it")
        }
        let what = "\(entry.name) (\(entry.type)) dials \(self.target) without TLS"
        findings.note("\(what): a stranger on the path could read \(exposure)", at: place)
    }
}

extension Host {
    fileprivate var isNamed: Bool { if case .name = self { true } else { false } }

    /// `0.0.0.0` or `::`.
    var isUnspecified: Bool {
        guard case .address(let address) = self else { return false }
        return address.high == 0 && address.low == 0
    }

    fileprivate var isLoopback: Bool {
        switch self {
        case .address(let address): AddressClass(address) == .loopback
        case .name(let name): HostName(name)?.isLocalhost == true
        }
    }
}
