// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Warren
import WarrenConfiguration

struct JETCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jet",
        abstract: "Meets somebody at a JET relay: one accepts, the other connects, both dial out.",
        subcommands: [Accept.self, Connect.self]
    )

    /// What both ends say of the place where they meet.
    struct Meeting: ParsableArguments {
        @Option(name: .long, help: "The candidate of the association; meeting in version 2 needs both.")
        var candidate: String?

        @Option(
            name: .customLong("tls-ca"), help: "PEM file with the certificates to trust instead of those of the system."
        )
        var tlsCA: String?

        @Option(
            name: .customLong("log-level"), help: "trace, debug, info, notice, warning or error; the default is notice."
        )
        var logLevel = "notice"

        func arguments(_ relays: String) -> [EntryKey] {
            var all = [EntryKey("type", "jet", label: "type"), EntryKey("relay", relays, label: "RELAY")]
            if let tlsCA { all.append(EntryKey("tls.ca", tlsCA, label: "--tls-ca")) }
            if let candidate { all.append(EntryKey("candidate", candidate, label: "--candidate")) }
            return all
        }
    }

    struct Accept: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "accept",
            abstract: "Waits at a relay for somebody who names the association.",
            discussion: """
                Prints the association: on standard output with --to, else on standard error. Ends with its stream;
                with --repeat it waits again after each.
                """
        )

        @Argument(help: "The relay: host, host:port, tls://host:port, ws://host:port or wss://host:port.")
        var relay: String

        @Option(name: .long, help: "Where the stream goes; standard input and output if left out.")
        var to: String?

        @Option(name: .long, help: "The association, in version 2; in version 1 the relay names it.")
        var association: String?

        @Flag(name: .customLong("repeat"), help: "Wait again after each use.")
        var goesOn = false

        @Option(name: .long, help: "Write association and relay to this file whenever they change.")
        var announce: String?

        @OptionGroup var meeting: Meeting

        mutating func validate() throws {
            guard self.goesOn, self.to == nil else { return }
            throw ValidationError("--repeat needs --to: there is one standard input.")
        }

        mutating func run() async throws {
            var inbound = self.meeting.arguments(self.relay)
            if let to { inbound.append(EntryKey("target", to, label: "--to")) }
            if let association { inbound.append(EntryKey("association", association, label: "--association")) }
            if self.goesOn { inbound.append(EntryKey("repeat", "true", label: "--repeat")) }
            if let announce { inbound.append(EntryKey("announce", announce, label: "--announce")) }
            let outbound = self.to == nil ? [EntryKey("type", "stdio", label: "type")] : []
            let isPiped = self.to == nil
            var others = ""
            if let candidate = self.meeting.candidate { others += " --candidate \(candidate)" }
            let line = "on the other side: warren jet connect \(self.relay) "
            let rest = others
            try await JETCommand.meet(inbound, outbound, self.meeting) { association, _ in
                defer { Console.error(line + association + rest) }
                if isPiped { Console.error(association) } else { Console.print(association) }
            }
        }
    }

    struct Connect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "connect",
            abstract: "Joins whoever waits at a relay under an association.",
            discussion: """
                Without --listen the stream is standard input and output, as a ProxyCommand of ssh wants it, and the
                program ends with it. With --listen every connection there is one stream.
                """
        )

        @Argument(help: "The relay: host, host:port, tls://host:port, ws://host:port or wss://host:port.")
        var relay: String

        @Argument(help: "The association that the accepter was given.")
        var association: String

        @Argument(help: "stdio: the default, said aloud.")
        var stdio: String?

        @Option(name: .long, help: "Where to wait for connections, such as 127.0.0.1:3389.")
        var listen: String?

        @OptionGroup var meeting: Meeting

        mutating func validate() throws {
            if let stdio, stdio != "stdio" { throw ValidationError("There is nothing called \(stdio); write stdio.") }
            if self.stdio != nil && self.listen != nil { throw ValidationError("Give either stdio or --listen.") }
        }

        mutating func run() async throws {
            var outbound = self.meeting.arguments(self.relay)
            outbound.append(EntryKey("association", self.association, label: "ASSOCIATION"))
            var inbound = [EntryKey("type", self.listen == nil ? "stdio" : "forward", label: "type")]
            if let listen { inbound.append(EntryKey("listen", listen, label: "--listen")) }
            try await JETCommand.meet(inbound, outbound, self.meeting) { _, _ in }
        }
    }

    private static func meet(
        _ inbound: [EntryKey], _ outbound: [EntryKey], _ meeting: Meeting,
        onGrant: @escaping @Sendable (String, String?) -> Void
    ) async throws {
        let daemon: Daemon
        do {
            daemon = try Daemon(inbound: inbound, outbound: outbound, logLevel: meeting.logLevel)
        } catch {
            throw Failure(code: .usage, sentence: "\(error)")
        }
        do {
            try await daemon.run(endsWhenRefused: true, onGrant: onGrant) { ready in
                if !ready.listeners.isEmpty { Console.error(ready.line) }
            }
        } catch let failure as DaemonFailure {
            throw Failure(code: .start, sentence: failure.isSaid ? "" : "\(failure)")
        }
    }
}
