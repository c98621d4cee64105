// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// What a file or a command line asks for, checked as far as it can be without knowing any protocol.
///
/// Reading never fails: problems go into the ``Findings``, and what could not be read has its default or is left out.
/// The keys of each entry's type are read later from its section; only then is the configuration known to be good.
package struct Configuration {
    package struct Log: Hashable, Sendable {
        package var level = LogLevel.info
        package var format = LogFormat.text
    }

    package enum LogLevel: String, Hashable, Sendable, CaseIterable {
        case trace
        case debug
        case info
        case notice
        case warning
        case error
    }

    package enum LogFormat: String, Hashable, Sendable, CaseIterable {
        case text
        case json
    }

    /// What a client may ask `direct` for, as written; nil if the list is absent.
    package struct Egress: Hashable, Sendable {
        package var allow: [Located<String>]?
        package var deny: [Located<String>]?
        /// Those of users who have their own, which take the place of these.
        package var users: [String: Egress] = [:]

        package init(
            allow: [Located<String>]? = nil, deny: [Located<String>]? = nil, users: [String: Egress] = [:]
        ) {
            self.allow = allow
            self.deny = deny
            self.users = users
        }
    }

    package struct Limits: Hashable, Sendable {
        /// From accepting a carrier to the end of its login.
        package var handshake = TimeAmount.seconds(10)
        /// A stream without a byte either way; zero never ends one.
        package var idle = TimeAmount.hours(1)
        package var streamsPerSession = 1024
        package var sessions = 10_000
    }

    package var log = Log()
    /// The path of the socket over which the running process is asked; nil for none.
    package var admin: Located<String>?
    package var inbounds: [Entry] = []
    package var outbounds: [Entry] = []
    package var relays: [Entry] = []
    /// The first one that matches leads a stream; the inbound's own `to` is the last.
    package var routes: [Route] = []
    package var egress = Egress()
    package var limits = Limits()
    /// How long streams may go on after the first signal.
    package var drain = TimeAmount.seconds(10)

    /// Nothing to run.
    package init() {}
}

extension Configuration {
    /// Reads a file. Relative paths in it start at its folder.
    package init(file: String, types: EntryTypes, environment: (String) -> String?, findings: Findings) {
        self.init()
        guard let root = ConfigNode.read(file: file, environment: environment, findings: findings) else { return }
        self.read(Section(root, folder: TextFile.folder(of: file), findings: findings), types: types)
    }

    /// Reads a text as if it were a file of that name; relative paths start at `folder`, or at the working directory.
    package init(
        yaml: String,
        name: String,
        folder: String = "",
        types: EntryTypes,
        environment: (String) -> String?,
        findings: Findings
    ) {
        self.init()
        let root = ConfigNode.read(yaml: yaml, file: name, environment: environment, findings: findings)
        guard let root else { return }
        self.read(Section(root, folder: folder, findings: findings), types: types)
    }

    mutating func read(_ root: Section, types: EntryTypes) {
        if let log = root.section("log") {
            self.log.level = log.value("level", .oneOf(LogLevel.self), default: .info)
            self.log.format = log.value("format", .oneOf(LogFormat.self), default: .text)
        }
        if let admin = root.section("admin") { self.admin = admin.required("listen", .located(.unixSocket)) }
        self.readEntries(root, types: types)
        self.routes = root.items("routes").map { Route($0) }
        if let egress = root.section("egress") {
            self.egress = Egress(lists: egress)
            for (name, section) in egress.sections("users") ?? [] {
                self.egress.users[name.value] = Egress(lists: section)
            }
        }
        if let limits = root.section("limits") {
            let defaults = Limits()
            let count = ValueKind.int(in: 1...1_000_000)
            self.limits.handshake = limits.value("handshake", .duration, default: defaults.handshake)
            self.limits.idle = limits.value("idle", .durationOrZero, default: defaults.idle)
            let streams = limits.value("streamsPerSession", count, default: defaults.streamsPerSession)
            self.limits.streamsPerSession = streams
            self.limits.sessions = limits.value("sessions", count, default: defaults.sessions)
        }
        self.drain = root.value("drain", .durationOrZero, default: self.drain)
        root.finish()
    }

    private mutating func readEntries(_ root: Section, types: EntryTypes) {
        let before = root.findings.count
        let (inbounds, outbounds, relays) = (root.items("inbounds"), root.items("outbounds"), root.items("relays"))
        if inbounds.isEmpty, relays.isEmpty, root.findings.count == before {
            root.findings.report(
                "there are no inbounds and no relays, so there is nothing to run", at: root.place,
                hint: "write one, such as inbounds: [{ type: mixed, listen: 127.0.0.1:1080 }]")
        }
        self.readEntries(inbounds, outbounds, relays, types: types, findings: root.findings)
    }

    mutating func readEntries(
        _ inbounds: [Section],
        _ outbounds: [Section],
        _ relays: [Section],
        types: EntryTypes,
        findings: Findings
    ) {
        let inbounds = EntryList(.inbound, inbounds, types: types, findings: findings)
        let outbounds = EntryList(.outbound, outbounds, types: types, findings: findings)
        inbounds.checkTargets(among: outbounds.names)
        outbounds.checkTargets(among: outbounds.names)
        self.inbounds = inbounds.entries
        self.outbounds = outbounds.entries
        self.relays = EntryList(.relay, relays, types: types, findings: findings).entries
    }
}

extension Configuration.Egress {
    fileprivate init(lists section: Section) {
        self.allow = section.optional("allow", .list(.located(.string)))
        self.deny = section.optional("deny", .list(.located(.string)))
    }
}
