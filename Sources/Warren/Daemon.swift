// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import ServiceLifecycle
import UnixSignals
import WarrenAssembly
public import WarrenConfiguration
import WarrenCore
import WarrenRuntime

/// A whole Warren made from a configuration: what `warren run` runs.
public struct Daemon: Sendable {
    /// What the configuration came from.
    public let name: String
    private let assembly: Assembly
    /// Reads what it came from again; nil where that was a command line.
    private let reread: Reread?

    typealias Reread = @Sendable () throws(ConfigurationFailure) -> Assembly

    /// What works and still deserves a warning.
    public var warnings: [Problem] { self.assembly.warnings }

    /// What a program does first, before it opens anything: closed standard descriptors lead to the null device, so that
    /// no socket takes their numbers; broken pipes are no signals; the limit of descriptors is what the system allows.
    public static func prepareProcess() { ProcessStart.prepare() }

    /// Reads a configuration file. Opens nothing.
    ///
    /// - Parameter logLevel: takes the place of `log: level:`.
    /// - Throws: ``ConfigurationFailure`` with every problem.
    public init(file: String, logLevel: String? = nil) throws(ConfigurationFailure) {
        let reread: Reread = { () throws(ConfigurationFailure) in try Self.read(file, logLevel) }
        self.name = file
        self.reread = reread
        self.assembly = try reread()
    }

    /// Reads a configuration from standard input. Opens nothing.
    ///
    /// - Throws: ``ConfigurationFailure`` with every problem.
    public init(standardInput logLevel: String?) throws(ConfigurationFailure) {
        let findings = Findings()
        let environment = ProcessInfo.processInfo.environment
        var configuration = Configuration(
            standardInputFor: Registry.types, environment: { environment[$0] }, findings: findings)
        configuration.override(logLevel: logLevel, findings)
        self.name = Configuration.standardInput
        self.reread = nil
        self.assembly = try Assembly(configuration, findings: findings)
    }

    private static func read(_ file: String, _ logLevel: String?) throws(ConfigurationFailure) -> Assembly {
        let findings = Findings()
        let environment = ProcessInfo.processInfo.environment
        var configuration = Configuration(
            file: file, types: Registry.types, environment: { environment[$0] }, findings: findings
        )
        configuration.override(logLevel: logLevel, findings)
        return try Assembly(configuration, findings: findings)
    }

    /// Reads the text of a configuration file. Opens nothing.
    package init(yaml: String, name: String, environment: [String: String]) throws(ConfigurationFailure) {
        let findings = Findings()
        let configuration = Configuration(
            yaml: yaml, name: name, types: Registry.types, environment: { environment[$0] }, findings: findings
        )
        self.name = name
        self.reread = nil
        self.assembly = try Assembly(configuration, findings: findings)
    }

    /// Reads the URLs of a command line. Opens nothing.
    ///
    /// - Parameters:
    ///   - allow: egress rules besides `public`.
    ///   - logLevel: the default is `info`.
    /// - Throws: ``ConfigurationFailure`` with every problem.
    public init(
        listen: [String], forward: [String], allow: [String] = [], logLevel: String? = nil
    ) throws(ConfigurationFailure) {
        let findings = Findings()
        var configuration = Configuration(
            listen: listen, forward: forward, types: Registry.types, findings: findings
        )
        if !allow.isEmpty {
            let place = Place(argument: "--allow", position: listen.count + forward.count + 1)
            configuration.egress.allow = (["public"] + allow).map { Located($0, at: place) }
        }
        configuration.override(logLevel: logLevel, findings)
        self.name = "arguments"
        self.reread = nil
        self.assembly = try Assembly(configuration, findings: findings)
    }

    /// Puts one inbound and the outbound it leads to together from the arguments of a command. Opens nothing.
    ///
    /// - Parameter outbound: empty for `direct`.
    /// - Throws: ``ConfigurationFailure`` with every problem.
    public init(
        inbound: [EntryKey], outbound: [EntryKey], logLevel: String? = nil
    ) throws(ConfigurationFailure) {
        let findings = Findings()
        var configuration = Configuration(inbound: inbound, outbound: outbound, types: Registry.types, findings)
        configuration.override(logLevel: logLevel, findings)
        self.name = "arguments"
        self.reread = nil
        self.assembly = try Assembly(configuration, findings: findings)
    }

    /// Which rule of `routes` a stream would meet, and what `egress` would say of it. Opens nothing.
    ///
    /// - Parameters:
    ///   - target: host and port.
    ///   - user: as whom the opener would have logged in.
    ///   - resolves: asks for the addresses of the target's name.
    /// - Throws: ``DaemonFailure`` where the question is about nothing that there is.
    public func explain(
        inbound: String, target: String, user: String?, resolves: Bool = false
    ) async throws(DaemonFailure) -> String {
        do throws(Refusal) {
            var addresses: [IPAddress]?
            if resolves, case .name(let name) = try Target(parsing: target, defaultPort: nil).host {
                addresses = await AddressLookup.addresses(of: name)
            }
            return try self.assembly.explain(inbound: inbound, target: target, user: user, addresses: addresses)
        } catch {
            let what = error.what ?? "\(quoted(target)) is no host and port"
            throw DaemonFailure(description: error.hint.map { "\(what); \($0)" } ?? what)
        }
    }

    /// What it means for whoever wanted the one stream that a JET relay was asked for.
    private static let meaningOfJET: @Sendable (StreamFault) -> String? = { fault in
        if fault == .refused {
            "refused: nobody waits under this association (it is used up or has expired), or the relay takes nobody"
        } else if fault == .noServer {
            "the relay cannot be reached, or hung up without an answer"
        } else {
            nil
        }
    }

    /// Runs until SIGINT or SIGTERM: the first one drains, the second one ends the process at once.
    ///
    /// Or until there is nothing more to do: where all there is are streams that come once.
    ///
    /// - Parameters:
    ///   - endsWhenRefused: whether a relay that will not have us is the end, and no reason to ask again.
    ///   - onGrant: called with the association, and the relay that holds it if it says so, whenever a relay has given
    ///     one.
    ///   - onReady: called once, when every listener is bound and every carrier was tried.
    /// - Throws: ``DaemonFailure`` if something could not be started (nothing is left half-started then), or the one
    ///   stream could not be had.
    public func run(
        endsWhenRefused: Bool = false,
        onGrant: @escaping @Sendable (_ association: String, _ instance: String?) -> Void = { _, _ in },
        onReady: @escaping @Sendable (Ready) -> Void
    ) async throws {
        try await self.run(onReady) { hooks in
            hooks.onGrant = { grant in
                guard case .meeting(let association) = grant.destination else { return }
                onGrant(association, grant.instance)
            }
            guard endsWhenRefused else { return }
            hooks.onRefused = { [onDone = hooks.onDone] in onDone("the relay does not let us wait: \($0)") }
        }
    }

    /// - Parameter prepare: says what else is to be told, and may end it by ``Hooks/onDone``.
    func run(_ onReady: @escaping @Sendable (Ready) -> Void, prepare: (inout Hooks) -> Void) async throws {
        // First: as process 1 of a container nobody is ended by a signal that it does not take.
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup, .sigusr1, .sigusr2)
        let handler = self.makeLogHandler()
        let logger = Logger(label: "warren") { _ in handler }
        for warning in self.assembly.warnings { logger.warning("\(warning)") }
        if let shortfall = self.assembly.descriptorShortfall { logger.warning("\(shortfall)") }
        let loops: Loops
        do { loops = try Loops.start() } catch { throw DaemonFailure(description: "\(error)") }
        let (done, tellDone) = AsyncStream<String?>.makeStream()
        var hooks = Hooks()
        hooks.onDone = { tellDone.yield($0) }
        // Said once, and before the output is closed: ssh shows no more of its ProxyCommand after that.
        let said = NIOLockedValueBox<String?>(nil)
        hooks.beforeEnd = { sentence in
            said.withLockedValue { $0 = sentence }
            LogWriter.standardError.write(sentence + "\n")
            LogWriter.standardError.flush(within: 1)
        }
        if self.assembly.configuration.outbounds.allSatisfy({ $0.type == "jet" }) {
            hooks.faultMeans = Self.meaningOfJET
        }
        prepare(&hooks)
        let (bound, tellBound) = AsyncStream<[BoundListener]>.makeStream()
        let live = LiveConfiguration(
            self.assembly, logger: logger, streams: handler, loops: loops, hooks: hooks
        ) { tellBound.yield($0) }
        let reloader = Reloader(live, handler: handler, logger: logger, reread: self.reread)
        let admin = try await self.startAdmin(live, reloader)
        let services = live.services + admin
        // The services' own log lines are about services, not about Warren: only what is wrong is of interest.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let group = ServiceGroup(
            configuration: .init(services: services.map { .init(service: $0) }, logger: quiet)
        )
        let failure = NIOLockedValueBox<String?>(nil)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await Self.run(group) }
            tasks.addTask { [format = self.assembly.log.format] in
                for await listeners in bound {
                    onReady(Ready(listeners, await live.node.tunnels(), format))
                    for problem in await self.unknownInstances() { logger.warning("\(problem)") }
                }
            }
            tasks.addTask { await Self.obey(signals, group, loops, reloader, logger) }
            tasks.addTask {
                for await outcome in done {
                    failure.withLockedValue { $0 = $0 ?? outcome }
                    await group.triggerGracefulShutdown()
                }
            }
            try await tasks.next()
            tasks.cancelAll()
        }
        if let sentence = failure.withLockedValue({ $0 }) {
            throw DaemonFailure(description: sentence, isSaid: said.withLockedValue { $0 == sentence })
        }
    }

    /// The relays that tell their clients of a host which this machine does not know; they may know it, or not.
    public func unknownInstances() async -> [Problem] {
        var found: [Problem] = []
        for instance in self.assembly.instances {
            guard case .name(let name)? = (try? Target(parsing: instance.value, defaultPort: 1))?.host else { continue }
            guard await AddressLookup.addresses(of: name).isEmpty else { continue }
            let what = "the relay sends clients to \(quoted(instance.value)), which does not resolve here"
            found.append(
                Problem(what, at: instance.place, hint: "set instance: to a name or an address they can reach"))
        }
        return found
    }

    private static func obey(
        _ signals: UnixSignalsSequence, _ group: ServiceGroup, _ loops: Loops, _ reloader: Reloader, _ logger: Logger
    ) async {
        var isDraining = false
        for await signal in signals {
            switch signal {
            case .sighup: _ = await reloader.reload(because: "SIGHUP")
            case .sigint, .sigterm:
                if isDraining {
                    // Reset what still runs: an exit alone would look like an orderly end to its peers.
                    try? await loops.onEach { $0.evict() }.get()  // a task on a loop does not fail
                    Foundation.exit(0)
                }
                isDraining = true
                logger.info("draining", metadata: ["signal": "\(signal)"])
                await group.triggerGracefulShutdown()
            default:
                logger.notice("Warren has no use for this signal and ignores it", metadata: ["signal": "\(signal)"])
            }
        }
    }

    private func startAdmin(_ live: LiveConfiguration, _ reloader: Reloader) async throws -> [any Service] {
        guard let path = self.assembly.configuration.admin?.value else { return [] }
        do {
            return [try await AdminServer.start(at: path, AdminDesk(live, reloader))]
        } catch {
            throw DaemonFailure(description: "admin: cannot listen on unix:\(path): \(error)")
        }
    }

    private static func run(_ group: ServiceGroup) async throws {
        do {
            try await group.run()
        } catch let failure as StartFailure {
            throw DaemonFailure(description: failure.description)
        }
    }

    private func makeLogHandler() -> LineLogHandler {
        let log = self.assembly.log
        let level = log.level.level
        let format = LineLogHandler.Format(rawValue: log.format.rawValue) ?? .text
        return LineLogHandler(level: level, format: format)
    }
}

/// Why a daemon could not start, in one sentence with a remedy.
public struct DaemonFailure: Error, CustomStringConvertible {
    public let description: String
    /// It has been written to standard error already.
    public var isSaid = false

    init(description: String, isSaid: Bool = false) {
        self.description = description
        self.isSaid = isSaid
    }
}

extension Configuration {
    fileprivate mutating func override(logLevel: String?, _ findings: Findings) {
        guard let logLevel else { return }
        if let level = LogLevel(rawValue: logLevel) {
            self.log.level = level
        } else {
            let known = LogLevel.allCases.map(\.rawValue)
            let hint = Nearest.hint("level", for: logLevel, among: known)
            let place = Place(argument: "--log-level", position: 0)
            findings.report("there is no log level \(quoted(logLevel))", at: place, hint: hint)
        }
    }
}
