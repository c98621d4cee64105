// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenRuntime

/// Which name or port of a relay is served by what.
struct Services: Sendable {
    private var names: [String: LocalService] = [:]
    private var ports: [UInt16: LocalService] = [:]

    /// - Parameter key: a name, `*.name`, `*`, or a port.
    /// - Returns: false for what is none of them.
    mutating func add(_ key: String, _ service: LocalService) -> Bool {
        if let port = UInt16(key), port > 0 {
            self.ports[port] = service
            return true
        }
        guard key != "*" else {
            self.names["*"] = service
            return true
        }
        let isWildcard = key.hasPrefix("*.")
        // A number that is no port is a mistake, and no name.
        guard let name = HostName(isWildcard ? String(key.dropFirst(2)) : key),
            name.text.contains(where: { !$0.isNumber && $0 != "." })
        else { return false }
        self.names[isWildcard ? "*." + name.text : name.text] = service
        return true
    }

    /// What a visitor of a name or port gets; nil where nothing serves it. The longest name that fits has it.
    @Sendable func find(_ destination: Destination) -> LocalService? {
        guard case .service(let name, let port) = destination else { return nil }
        return name.isEmpty ? self.ports[port] : self.service(of: name)
    }

    private func service(of name: String) -> LocalService? {
        if let service = self.names[name] { return service }
        var rest = name[...]
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            if let service = self.names["*.\(rest)"] ?? self.names[String(rest)] { return service }
        }
        return self.names["*"]
    }
}

/// A service whose keys are good.
struct ServiceDraft: Sendable {
    var service: LocalService
    /// The files of the TLS that it ends.
    var tls: TLSMaterial?
}

extension Section {
    /// The map under `services`; nil after a report.
    ///
    /// - Returns: with the TLS of each that ends some, for its files.
    func services(_ limits: SessionLimits) -> (services: Services, tls: [ServedTLS])? {
        guard let pairs = self.required("services", .map(.service(limits))) else { return nil }
        var services = Services()
        var served: [ServedTLS] = []
        for (key, draft) in pairs {
            var service = draft.service
            if let material = draft.tls {
                let tls = ServedTLS(material)
                service.tls = tls.server
                served.append(tls)
            }
            guard services.add(key.value, service) else {
                let hint =
                    "write a name such as www.example.net, *.example.net, or a port of the relay such as \"2222\""
                self.findings.report("\(quoted(key.value)) is neither a name nor a port", at: key.place, hint: hint)
                return nil
            }
        }
        guard !pairs.isEmpty else {
            // Those that could not be read have been reported.
            if case .map(let written)? = self.node("services")?.content, !written.isEmpty { return nil }
            self.missing("services", expected: "at least one name or port and its target")
            return nil
        }
        return (services, served)
    }
}

extension ValueKind where Value == ServiceDraft {
    /// A target, or a block of `target` and what is done on the way there.
    static func service(_ limits: SessionLimits) -> Self {
        let target = ValueKind<LocalService.Target>.localTarget
        let expected = "\(target.expected), or a block with a target"
        return Self(expected: expected) { node, context in
            switch node.content {
            case .scalar: return target.read(node, context).map { ServiceDraft(service: LocalService($0)) }
            case .map: break
            case .list, .broken:
                node.isNot(expected, context.findings)
                return nil
            }
            let section = Section(node, folder: context.folder, findings: context.findings)
            defer { section.finish() }
            return section.service(limits)
        }
    }
}

extension Section {
    /// A block under `services`; nil after a report.
    fileprivate func service(_ limits: SessionLimits) -> ServiceDraft? {
        let target = self.required("target", .localTarget)
        let settings = self.tls(for: .server)
        let tls = settings.flatMap { TLSMaterial($0, self.findings) }
        let host = self.optional("host", .hostField)
        let forwarded = self.value("forwarded", .bool, default: false)
        let header = self.optional("proxyProtocol", .oneOf(ProxyHeader.self))
        let isGood = (settings == nil) == (tls == nil) && (host != nil) == self.contains("host")
        guard let target, isGood else { return nil }
        var service = LocalService(target)
        service.host = host
        service.tellsVisitor = forwarded
        service.proxyHeader = header
        service.limits = limits
        return ServiceDraft(service: service, tls: tls)
    }
}

extension ValueKind where Value == LocalService.Target {
    /// `127.0.0.1:8080`, or `unix:/run/web.sock`.
    static var localTarget: Self {
        let expected = "a target such as 127.0.0.1:8080 or unix:/run/web.sock"
        return Self(expected: expected) { node, context in
            guard case .scalar(let scalar) = node.content, scalar.text.hasPrefix("unix:") else {
                let plain = ValueKind<Target>(expected: expected, read: ValueKind<Target>.target.read)
                return plain.read(node, context).map { .tcp($0.host, port: $0.port) }
            }
            return ValueKind<String>.unixSocket.read(node, context).map { .unix($0) }
        }
    }
}

extension ValueKind where Value == String {
    /// What may stand in `Host`: a host, with or without a port.
    fileprivate static var hostField: Self {
        .scalar("a host such as localhost or localhost:3000") { text throws(Refusal) in
            _ = try Target(parsing: text, defaultPort: 80)
            return text
        }
    }
}
