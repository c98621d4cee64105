// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WarrenAssembly

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Makes tokens for devices.",
        subcommands: [MProxy.self]
    )

    struct MProxy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "mproxy",
            abstract: "Prints a token that lets a device serve names and ports at an mproxy relay.",
            discussion: "Whoever has the token may serve them: hand it over as you would a password."
        )

        @Option(
            name: .customLong("secret-file"), help: "The file whose first line signs tokens: the relay's secretFile.")
        var secretFile: String

        @Option(name: .customLong("name"), help: "A name to serve, such as www.example.net or *.example.net; several.")
        var names: [String] = []

        @Option(name: .customLong("port"), help: "A port of the relay to serve; several.")
        var ports: [UInt16] = []

        @Option(name: .long, help: "How long it is good, such as 30d or 12h.")
        var expires = "30d"

        @Option(
            name: .long, help: "Who the device is, for logs; a device takes its own names over when it comes again.")
        var subject: String?

        @Option(name: .long, help: "The relay that it is for, where that checks its audience.")
        var audience: String?

        mutating func validate() throws {
            guard self.names.isEmpty, self.ports.isEmpty else { return }
            throw ValidationError("Give --name or --port: a token without either serves nothing.")
        }

        mutating func run() async throws {
            do {
                let token = try await DeviceToken.make(
                    secretFile: self.secretFile, names: self.names, ports: self.ports, expires: self.expires,
                    subject: self.subject, audience: self.audience)
                Console.print(token)
            } catch {
                throw Failure(code: .usage, sentence: "\(error)")
            }
        }
    }
}
