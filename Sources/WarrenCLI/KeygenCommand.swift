// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WarrenAssembly

struct KeygenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen",
        abstract: "Makes key files.",
        subcommands: [JProxy.self]
    )

    struct JProxy: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "jproxy",
            abstract: "Writes key.dat for a client and users/<HASH>.dat for its server."
        )

        @Argument(help: "The user's name, for the server's log.")
        var name: String

        @Option(name: .customLong("out"), help: "The folder to write to.")
        var folder = "."

        mutating func run() throws {
            do {
                let written = try JProxyKeys.write(name: self.name, to: self.folder)
                Console.print("client: \(written.clientFile)   keep it secret; give it to the client only")
                Console.print("server: \(written.userFile)   put it into the server's users folder")
            } catch {
                throw Failure(code: .usage, sentence: "\(error)")
            }
        }
    }
}
