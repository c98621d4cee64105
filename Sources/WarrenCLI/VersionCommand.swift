// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CWarrenStart
import Warren

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Prints the version.")

    mutating func run() { Console.print(Version.line) }
}

extension Version {
    /// The commit that `WARREN_COMMIT` named for the build; nil where it named none.
    static var commit: String? {
        let text = String(cString: cwst_commit())
        return text.isEmpty ? nil : text
    }

    static var line: String { "warren \(self.text)" + (self.commit.map { " (\($0))" } ?? "") }
}
