// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenJET
import WarrenRuntime

let jetExposure =
    "who meets whom, the associations by which others may join, and everything that is not encrypted itself"

extension RelayType {
    /// Where two peers that can only dial out meet.
    static let jet = RelayType("jet", exposure: jetExposure) { entry, limits in
        let section = entry.section
        let relay = section.jetRelay(limits)
        let settings = section.tls(for: .server)
        let tls = settings.flatMap { TLSMaterial($0, section.findings) }
        let ping = section.ping()
        let listen = section.portsToListen("listen", tls: tls, hasTLS: settings != nil)
        let api = section.optional("api", .located(.carrierToListen)).map { address in
            let scheme = address.value.scheme(hasTLS: false)
            return section.port(address, scheme, key: "api", suffix: ".api", tls: tls, hasTLS: settings != nil)
        }
        guard let relay, let listen, (settings == nil) == (tls == nil) else { return nil }
        let ports = listen + [api].compactMap { $0 }
        let instance = Located(relay.instance, at: section.place(of: "instance"))
        return RelayDraft(ports: ports, instance: instance) { around in
            JETService(relay, ports: listen, callPort: api, ping: ping, around).built
        }
    }
}

extension Section {
    fileprivate func jetRelay(_ limits: Configuration.Limits) -> JET.RelayConfiguration? {
        let instance = self.value("instance", .string, default: ProcessInfo.processInfo.hostName)
        if instance.utf8.count > 255 || !instance.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            self.report(
                "\(quoted(instance)) is no host that clients could dial", at: "instance",
                hint: "write a host or host:port")
        }
        var relay = JET.RelayConfiguration(instance: instance)
        relay.timeout = self.value("timeout", .duration, default: relay.timeout)
        relay.handshake = limits.handshake
        relay.dialect = self.value("dialect", .oneOf(JET.Dialect.self), default: .plain)
        relay.decoding = self.value("strict", .bool, default: false) ? .strict : .lenient
        let versions = self.value("version", .oneOrMore(.int(in: 1...2)), default: [1, 2])
        relay.versions = Set(versions.map { UInt32($0) })
        relay.mask = self.optional("mask", .int(in: 0...255)).map { UInt8($0) }
        relay.maxPending = self.value("maxPending", .int(in: 1...1_000_000), default: relay.maxPending)
        let most = max(1, relay.maxPending / 2)
        relay.maxPendingPerAddress = self.value("maxPendingPerAddress", .int(in: 1...1_000_000), default: most)
        let secret = self.optional("tokenFile", .secretFile)
        if self.contains("tokenFile") {
            guard let secret else { return nil }
            relay.token = Array(secret.text.utf8)
        }
        return relay
    }
}
