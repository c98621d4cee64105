// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Warren

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Prints every problem of a configuration as file:line:column; opens nothing."
    )

    @OptionGroup var source: Source

    @Option(
        name: .customLong("explain"), parsing: .upToNextOption,
        help: ArgumentHelp("Say which route a stream of an inbound would take.", valueName: "inbound host:port")
    )
    var question: [String] = []

    @Option(name: .customLong("user"), help: "As whom the stream's opener would have logged in; for --explain.")
    var user: String?

    mutating func validate() throws {
        if !self.question.isEmpty, self.question.count != 2 {
            throw ValidationError(
                "--explain takes an inbound and a host:port, such as --explain browser example.net:443.")
        }
        if self.user != nil, self.question.isEmpty { throw ValidationError("--user goes with --explain.") }
    }

    mutating func run() throws {
        let daemon = try self.source.daemon()
        if let inbound = self.question.first, let target = self.question.last {
            do throws(DaemonFailure) {
                return Console.print(try daemon.explain(inbound: inbound, target: target, user: self.user))
            } catch {
                throw Failure(code: .usage, sentence: "\(error)")
            }
        }
        for warning in daemon.warnings { Console.error("warning: \(warning)") }
        Console.print("\(daemon.name): fine")
    }
}
