// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Warren

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Prints every problem of a configuration as file:line:column; opens nothing."
    )

    @OptionGroup var source: Source

    mutating func run() throws {
        let daemon = try self.source.daemon()
        for warning in daemon.warnings { Console.error("warning: \(warning)") }
        Console.print("\(daemon.name): fine")
    }
}
