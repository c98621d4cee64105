// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CWarrenStart
import Foundation
import Warren

/// Exit codes are part of the program's contract: 0 fine, 1 configuration or usage, 2 could not start, 3 demo or bench failed.
@main
struct Command: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "warren",
        abstract: "Reaches machines that can only dial out, and the outside through a relay.",
        version: Version.line,
        subcommands: [
            RunCommand.self, CheckCommand.self, DemoCommand.self, BenchCommand.self, KeygenCommand.self,
            JETCommand.self, TokenCommand.self, ExposeCommand.self, StatusCommand.self, ReloadCommand.self,
            KillCommand.self, ConfigCommand.self, ImportCommand.self, LabCommand.self, VersionCommand.self,
        ]
    )

    /// Nil for those that Swift knows of: it knows of none where there is no /proc.
    private static var arguments: [String]? {
        guard CommandLine.arguments.isEmpty || CommandLine.arguments == [""], var next = cwst_arguments() else {
            return nil
        }
        var words: [String] = []
        while let word = next.pointee {
            words.append(String(cString: word))
            next += 1
        }
        return Array(words.dropFirst())
    }

    static func main() async {
        Daemon.prepareProcess()
        do {
            let arguments = Self.arguments ?? Array(CommandLine.arguments.dropFirst())
            if let text = try UsageHint.configuration(arguments) { return Console.print(text) }
            try UsageHint.checkHelp(arguments)
            var command = try Self.parseAsRoot(Self.arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            if !failure.sentence.isEmpty { Console.error(failure.sentence) }
            Foundation.exit(failure.code.rawValue)
        } catch let code as ExitCode {
            Foundation.exit(code.rawValue)
        } catch {
            let text = Self.fullMessage(for: error)
            guard Self.exitCode(for: error).isSuccess else {
                let hint = UsageHint.remedy(for: text, Array(CommandLine.arguments.dropFirst()))
                Console.error(hint.map { UsageHint.insert($0, into: text) } ?? text)
                Foundation.exit(Failure.Code.usage.rawValue)
            }
            Console.print(text)  // help was asked for
        }
    }
}

/// A way to end that the user is told about in one sentence.
struct Failure: Error {
    enum Code: Int32 {
        case usage = 1
        case start = 2
        case demo = 3
    }

    let code: Code
    let sentence: String
}
