// SPDX-License-Identifier: Apache-2.0

import WarrenConfiguration
import WarrenCore
import WarrenRuntime
import WarrenZhwkproX

private let zhwkproxExposure =
    "everything: the cipher has one public key for all; whoever reaches the port of the exits may become one"

extension InboundType {
    /// The exit: dials an inter-server and reaches what that asks for.
    static let zhwkprox = InboundType("zhwkprox", authority: "dial", exposure: zhwkproxExposure) { entry, limits in
        let section = entry.section
        let carriers = section.carriersToDial("dial", defaultPort: ZhwkproX.defaultPort)
        let key = section.zhwkproxKey()
        var exit = ZhwkproX.ExitConfiguration()
        exit.dialect = section.value("dialect", .oneOf(ZhwkproX.Dialect.self), default: .deployed)
        exit.strict = section.value("strict", .bool, default: false)
        exit.idle = section.value("idle", .duration, default: exit.idle)
        exit.sendOnly = section.value("sendOnly", .duration, default: exit.sendOnly)
        exit.gap = section.value("gap", .duration, default: exit.gap)
        exit.pieces = section.zhwkproxPieces()
        exit.stall = section.value("stall", .duration, default: exit.stall)
        exit.usesExtension = section.readExtension()
        exit.limits = section.sessionLimits(limits)
        section.refuseWebSockets(carriers, at: "dial")
        guard !carriers.isEmpty, let key else { return nil }
        exit.key = key
        let configuration = exit
        return .part(
            DialledInboundDraft(carriers: carriers) { around, sessions in
                let ways = carriers.map { carrier in
                    SessionCarrier(carrier.dialer(around)) { leg, owner, loop in
                        let machine = ZhwkproX.ExitMachine(configuration)
                        around.loops.context(on: loop).start(machine, on: leg, owner: owner)
                    }
                }
                let plan = DialledInbound.Plan(carriers: ways, succession: .whenLost)
                let loop = sessions.home ?? around.through?.home ?? around.loops.next()
                return DialledInbound(plan, sessions: sessions, on: loop, reporter: around.reporter)
            }
        )
    }
}

extension OutboundType {
    /// The inter-server: waits for exits and takes streams to them.
    static let zhwkprox = OutboundType("zhwkprox", authority: "listen", exposure: zhwkproxExposure) { entry, limits in
        let section = entry.section
        let arrival = section.arrival { _ in ZhwkproX.detect }
        let key = section.zhwkproxKey()
        var inter = ZhwkproX.InterConfiguration()
        inter.idle = section.value("idle", .duration, default: inter.idle)
        inter.gap = section.value("gap", .duration, default: inter.gap)
        inter.pieces = section.zhwkproxPieces()
        inter.wait = section.value("wait", .duration, default: inter.wait)
        inter.stall = section.value("stall", .duration, default: inter.stall)
        inter.usesExtension = section.readExtension()
        inter.limits = section.sessionLimits(limits)
        let choice = section.value("exits", .oneOf(ReverseOutbound.Choice.self), default: .newest)
        let allow = section.optional("allow", .list(.addressRule))
        _ = section.value("resolve", .oneOf(["local"]), default: "local")
        guard let arrival, let key else { return nil }
        inter.key = key
        let configuration = inter
        return .made(
            CustomOutboundDraft(arrival: arrival) { around in
                let plan = ReverseOutbound.Plan(
                    choice: choice, allow: allow, resolver: around.dialer.resolver
                ) { leg, owner, loop in
                    let machine = ZhwkproX.InterMachine(configuration)
                    around.loops.context(on: loop).start(machine, on: leg, owner: owner)
                }
                return ReverseOutbound(
                    plan, name: around.name, home: around.home(), unit: around.unit,
                    reporter: around.reporter
                )
            }
        )
    }
}

extension Section {
    /// The key and the vector of `secretKey` and `iv`; the deployed ones if there are none.
    ///
    /// - Returns: nil after a report.
    fileprivate func zhwkproxKey() -> ZhwkproX.Key? {
        let before = self.findings.count
        let secret = self.secret("secretKey")
        let vector = self.optional("iv", .sixteenBytes)
        guard self.findings.count == before else { return nil }
        guard secret != nil || vector != nil else { return .deployed }
        let place = self.contains("secretKey") ? "secretKey" : "secretKeyFile"
        let bytes = secret.map { SixteenBytes($0.text)?.bytes }
        if let bytes, bytes == nil {
            let hint = "write 16 characters, or 32 hexadecimal digits"
            self.report("the key does not have 16 bytes", at: place, hint: hint)
            return nil
        }
        do throws(WireError) {
            let key = bytes.flatMap { $0 } ?? Array("samplekeytomatch".utf8)
            return try ZhwkproX.Key(key, iv: vector?.bytes)
        } catch {
            self.report("\(error)", at: place)
            return nil
        }
    }

    /// The longest message; nil to have the path decide.
    fileprivate func zhwkproxPieces() -> Int? { self.optional("pieces", .int(in: 64...(100 << 10))) }

    fileprivate func refuseWebSockets(_ carriers: [CarrierDraft], at key: String) {
        guard let carrier = carriers.first(where: \.scheme.isWebSocket) else { return }
        let hint = "write tcp:// or tls://"
        self.report("\(carrier) is a WebSocket, which this protocol does not know", at: key, hint: hint)
    }
}

/// A key or a vector as a text: 16 characters, or 32 hexadecimal digits.
private struct SixteenBytes {
    let bytes: [UInt8]

    init?(_ text: String) {
        if text.utf8.count == 16 {
            self.bytes = Array(text.utf8)
            return
        }
        guard text.utf8.count == 32, text.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
        var bytes: [UInt8] = []
        var rest = text[...]
        while let byte = UInt8(rest.prefix(2), radix: 16), !rest.isEmpty {
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        self.bytes = bytes
    }
}

extension ValueKind where Value == SixteenBytes {
    fileprivate static var sixteenBytes: Self {
        .scalar("16 characters, or 32 hexadecimal digits") { text throws(Refusal) in
            guard let value = SixteenBytes(text) else {
                throw Refusal("does not have 16 bytes", hint: "write 16 characters, or 32 hexadecimal digits")
            }
            return value
        }
    }
}

extension ValueKind where Value == EgressRule {
    /// `192.0.2.7`, `10.0.0.0/8`, `loopback`: where a peer may come from.
    fileprivate static var addressRule: Self {
        .scalar("an address, a network, public, private or loopback") { text throws(Refusal) in
            do throws(EgressRule.ParseError) {
                let rule = try EgressRule(text)
                switch rule.subject {
                case .class, .network: if rule.port == nil { return rule }
                case .host, .subdomains: break
                }
            } catch {
                throw Refusal("is no rule: \(error)")
            }
            throw Refusal("does not name addresses alone", hint: "write an address or a network, without a port")
        }
    }
}
