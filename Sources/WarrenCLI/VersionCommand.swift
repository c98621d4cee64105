// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Warren

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Prints the version.")

    mutating func run() { Console.print("warren \(Version.text)") }
}
