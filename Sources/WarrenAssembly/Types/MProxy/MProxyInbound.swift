// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenMProxy
import WarrenRuntime

extension InboundType {
    /// The device: dials relays, and serves names and ports there from local targets.
    static let mproxy = InboundType("mproxy", authority: "relay", exposure: mproxyExposure) { entry, limits in
        let section = entry.section
        let dialect = section.optional("dialect", .oneOf(MProxy.Dialect.self))
        // Relays in Go look at the first 1024 bytes only.
        let carriers = section.carriersToDial("relay", defaultPort: 443, keepsHelloSmall: dialect == .go)
        let tokens = section.required("tokenFile", .oneOrMore(.secretFile))
        let lanes = section.value("lanes", .int(in: 1...64), default: 1)
        var device = MProxy.DeviceConfiguration(tokens: tokens?.map(\.text) ?? [])
        device.dialect = dialect
        device.usesExtension = section.readExtension() && device.dialect != .go
        device.linger = section.value("linger", .durationOrZero, default: device.linger)
        device.stall = section.value("stall", .duration, default: device.stall)
        device.limits = section.sessionLimits(limits)
        let served = section.services(device.limits)
        guard let relay = carriers.first, tokens != nil, let (services, tls) = served else { return nil }
        for carrier in carriers where !carrier.scheme.isWebSocket {
            let hint = "write wss://\(carrier.target), or ws:// where that is safe"
            section.report("\(carrier) is no WebSocket", at: "relay", hint: hint)
            return nil
        }
        let configuration = device
        return .part(
            DialledInboundDraft(carriers: carriers, isTrusted: true, served: tls) { around, sessions in
                let instance = lanes > 1 ? DeviceInstance() : nil
                // A session with each relay, and so many of them.
                func keepUp(_ carrier: CarrierDraft) -> DialledInbound {
                    configuration.keepUp(carrier, instance, services, around, sessions)
                }
                let further = carriers.flatMap { repeatElement($0, count: lanes) }.dropFirst().map { keepUp($0) }
                let part = keepUp(relay)
                return further.isEmpty ? part : ComponentGroup(part, further)
            }
        )
    }
}

extension MProxy.DeviceConfiguration {
    /// Keeps one session with a relay up.
    fileprivate func keepUp(
        _ carrier: CarrierDraft, _ instance: DeviceInstance?, _ services: Services, _ around: BuildContext,
        _ sessions: InboundSessions
    ) -> DialledInbound {
        // Relays in Go want a token in the upgrade; the others do not look there.
        let path = self.dialect == .go ? "/ws" : "/"
        let token = self.dialect == .go ? self.tokens.first : nil
        var headers = token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
        if self.usesExtension { headers.append((name: MProxy.Extension.header, value: MProxy.Extension.announcement)) }
        if let instance { headers.append((name: DeviceInstance.header, value: instance.text)) }
        let dialer = carrier.dialer(
            around, webSocket: carrier.prefix.isEmpty ? path : "", ping: MProxyService.ping, headers: headers,
            carriesSession: true)
        let way = SessionCarrier(dialer) { leg, owner, loop in
            around.loops.context(on: loop).start(MProxy.DeviceMachine(self), on: leg, owner: owner)
        }
        var plan = DialledInbound.Plan(carriers: [way], succession: .whenLost)
        plan.services = LocalServices(loops: around.loops, find: services.find)
        let hooks = around.hooks
        plan.onGrant = hooks.onGrant
        plan.onRefused = hooks.onRefused
        plan.onUp = { list in
            if list == .partial {
                let held = self.tokens.compactMap { MProxy.Entitlement(unverified: $0) }
                for grant in held.flatMap(\.grants) { hooks.onGrant(grant) }
            }
            hooks.onUp(list)
        }
        let loop = sessions.home ?? around.through?.home ?? around.loops.next()
        return DialledInbound(plan, sessions: sessions, on: loop, reporter: around.reporter)
    }
}
