// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What is shipped beside the program.
@Suite(.timeLimit(.minutes(1))) struct ExampleTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test func everyExamplePassesCheck() async throws {
        let folder = Self.repository.appending(path: "Examples")
        let outcome = try await Program.run(
            folder.appending(path: "check.sh"), [try WarrenProcess.executable.path])
        #expect(outcome.code == 0, Comment(rawValue: outcome.errors))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        #expect(outcome.output.split(separator: "\n").map(String.init) == names.sorted().map { "\($0): fine" })
    }

    @Test("completions in packaging/ are what the program makes", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) async throws {
        let name = shell == "zsh" ? "_warren" : "warren.\(shell)"
        let shipped = Self.repository.appending(path: "packaging/completions/\(name)")
        let outcome = try await WarrenProcess.run("--generate-completion-script", shell)
        #expect(outcome.code == 0)
        #expect(
            try String(contentsOf: shipped, encoding: .utf8).trimmingCharacters(in: .newlines)
                == outcome.output.trimmingCharacters(in: .newlines), "run scripts/packaging.sh")
    }

    @Test func theManPageNamesEveryCommand() async throws {
        let page = try String(
            contentsOf: Self.repository.appending(path: "packaging/warren.1"), encoding: .utf8)
        let help = try await WarrenProcess.run("help").output
        let commands =
            help.split(separator: "SUBCOMMANDS:\n").last?.split(separator: "\n")
            .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") && !$0.contains("'") }
            .compactMap { $0.split(separator: " ").first.map(String.init) } ?? []
        #expect(commands.count > 8)
        for command in commands { #expect(page.contains("\n.It Em \(command)\n"), "\(command)") }
    }
}
