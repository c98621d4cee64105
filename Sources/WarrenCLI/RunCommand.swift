// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Warren

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs what a file or URLs describe until SIGINT or SIGTERM.",
        discussion: """
            The first signal lets running streams end (drain: in the file), the second stops at once.
            Secrets come from files or the environment, never from arguments.
            """
    )

    @OptionGroup var source: Source

    @Option(
        name: .customLong("log-level"),
        help: "trace, debug, info, notice, warning or error; takes the place of log: level:."
    )
    var logLevel: String?

    mutating func run() async throws {
        let daemon = try self.source.daemon(logLevel: self.logLevel)
        do {
            try await daemon.run { Console.error($0.line) }
        } catch let failure as DaemonFailure {
            throw Failure(code: .start, sentence: failure.isSaid ? "" : "\(failure)")
        }
    }
}

/// Where the configuration comes from.
struct Source: ParsableArguments {
    @Option(
        name: [.customShort("c"), .customLong("config")],
        help: ArgumentHelp(
            "The configuration file; - is standard input (default: warren.yaml).", valueName: "file"))
    var files: [String] = []

    var file: String? { self.files.first }

    @Option(
        name: [.customShort("L"), .customLong("listen")],
        help: ArgumentHelp("An inbound without a file, such as mixed://127.0.0.1:1080.", valueName: "url")
    )
    var listen: [String] = []

    @Option(
        name: [.customShort("F"), .customLong("forward")],
        help: ArgumentHelp(
            "Where all inbounds lead, such as jproxy://relay:16384?key=key.dat. Several are a chain, nearest first.",
            valueName: "url")
    )
    var forward: [String] = []

    @Option(
        name: .customLong("allow"),
        help: ArgumentHelp("What clients may ask for besides public addresses; for -L.", valueName: "rule")
    )
    var allow: [String] = []

    mutating func validate() throws {
        if self.files.count > 1 { throw ValidationError("-c is given twice; a process has one configuration file.") }
        let usesURLs = !self.listen.isEmpty || !self.forward.isEmpty
        if usesURLs && self.file != nil { throw ValidationError("Give either -c FILE or -L and -F URLs, not both.") }
        if !self.allow.isEmpty && !usesURLs {
            throw ValidationError("--allow goes with -L; in a file it is egress: allow:.")
        }
    }

    func daemon(logLevel: String? = nil) throws -> Daemon {
        do {
            if self.listen.isEmpty && self.forward.isEmpty {
                if self.file == "-" { return try Daemon(standardInput: logLevel) }
                return try Daemon(file: self.file ?? "warren.yaml", logLevel: logLevel)
            }
            return try Daemon(listen: self.listen, forward: self.forward, allow: self.allow, logLevel: logLevel)
        } catch {
            throw Failure(code: .usage, sentence: "\(error)")
        }
    }
}
