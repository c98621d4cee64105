// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import WarrenAssembly
import WarrenConfiguration

/// What `warren help config [WORD]` says, in a form that the parser's own tools know of.
struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Shows the keys of a block or a type of the configuration; warren help config WORD is the same.")

    @Argument(
        help: "A block such as limits or tls, or a type such as jproxy; without it, the names of all.",
        completion: .list(ConfigurationHelp.words))
    var word: String?

    @Flag(help: .private)
    var markdown = false

    mutating func run() throws {
        guard self.markdown else { return Console.print(try Self.text(of: self.word)) }
        let page = String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
        try FileHandle.standardOutput.write(contentsOf: Data(ConfigurationPage.renewed(page).text.utf8))
    }

    /// - Throws: a ``Failure`` if nothing is called so.
    static func text(of word: String?) throws -> String {
        guard let word else { return ConfigurationHelp.overview }
        if let text = ConfigurationHelp.text(of: word) { return text }
        let hint = Nearest.hint("name", for: word, among: ConfigurationHelp.words)
        let sentence = "There is no block or type \(quoted(word))\(hint.map { "; \($0)" } ?? "")."
        throw Failure(code: .usage, sentence: sentence)
    }
}
