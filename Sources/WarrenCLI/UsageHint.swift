// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import WarrenConfiguration

/// What somebody probably meant whose arguments the parser did not understand.
enum UsageHint {
    /// `warren help nosuch`: the parser shows the general help for it.
    static func checkHelp(_ arguments: [String]) throws {
        guard arguments.first == "help", arguments.dropFirst().first != "config" else { return }
        var known: [any ParsableCommand.Type] = Command.configuration.subcommands
        for word in arguments.dropFirst() where !word.hasPrefix("-") {
            guard let next = known.first(where: { Self.name(of: $0) == word }) else {
                let hint = Nearest.hint("command", for: word, among: known.map(Self.name) + ["help"])
                throw Failure(
                    code: .usage, sentence: "There is no command \(quoted(word))\(hint.map { "; \($0)" } ?? "").")
            }
            known = next.configuration.subcommands
        }
    }

    /// The answer to `warren help config [WORD]`; nil if something else was asked.
    static func configuration(_ arguments: [String]) throws -> String? {
        guard arguments.starts(with: ["help", "config"]) else { return nil }
        guard arguments.count <= 3 else {
            throw Failure(code: .usage, sentence: "warren help config takes one block or type.")
        }
        return try ConfigCommand.text(of: arguments.dropFirst(2).first)
    }

    /// A sentence for what the parser calls unexpected.
    static func remedy(for text: String, _ arguments: [String]) -> String? {
        guard let word = text.firstMatch(of: /Unexpected argument '([^']*)'/)?.1 else { return nil }
        guard let command = arguments.first, command != word else {
            let names = Command.configuration.subcommands.map(Self.name) + ["help"]
            let isFile = word.hasSuffix(".yaml") || word.hasSuffix(".yml")
            if isFile { return "Did you mean: warren run -c \(word)" }
            if word.contains("://") { return "Did you mean: warren run -L URL" }
            return Nearest.word(to: String(word), among: names).map { "Did you mean: warren \($0)" }
        }
        guard ["run", "check", "status", "reload"].contains(command) else { return nil }
        if word.contains("://") { return "A URL needs -L (where streams come from) or -F (where they go) before it." }
        return "The configuration file needs -c before it: warren \(command) -c FILE"
    }

    /// After the first line, which says what is wrong.
    static func insert(_ hint: String, into text: String) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        lines.insert(hint, at: min(1, lines.count))
        return lines.joined(separator: "\n")
    }

    static func name(of command: any ParsableCommand.Type) -> String {
        command.configuration.commandName ?? command._commandName
    }
}
