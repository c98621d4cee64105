// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Warren
import WarrenConfiguration

struct CheckCommand: AsyncParsableCommand {
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

    @Flag(name: .customLong("resolve"), help: "Ask for the addresses of the name; for --explain.")
    var resolves = false

    @Flag(name: .customLong("diff"), help: "Say what a reload of the running process would touch; with --running.")
    var showsDifference = false

    @Flag(name: .customLong("running"), help: "Compare with the process that answers on the socket of admin:.")
    var comparesWithRunning = false

    @Option(
        name: .customLong("admin"),
        help: ArgumentHelp("The socket to ask instead; for --running.", valueName: "unix:/path"))
    var socket: String?

    mutating func validate() throws {
        if self.showsDifference != self.comparesWithRunning {
            throw ValidationError("--diff and --running go together: they compare the file with the running process.")
        }
        if self.showsDifference, self.source.file == "-" {
            throw ValidationError("--diff needs a file that the running process can read: -c FILE.")
        }
        if let socket, !socket.hasPrefix("unix:/") || !self.showsDifference {
            throw ValidationError("--admin takes unix: and a whole path, and goes with --diff --running.")
        }
        if !self.question.isEmpty, self.question.count != 2 {
            throw ValidationError(
                "--explain takes an inbound and a host:port, such as --explain browser example.net:443.")
        }
        if self.resolves, self.question.isEmpty { throw ValidationError("--resolve goes with --explain.") }
        if self.user != nil, self.question.isEmpty { throw ValidationError("--user goes with --explain.") }
    }

    mutating func run() async throws {
        let daemon = try self.source.daemon()
        if self.showsDifference { return try self.compare() }
        if let inbound = self.question.first, let target = self.question.last {
            do throws(DaemonFailure) {
                let explained = try await daemon.explain(
                    inbound: inbound, target: target, user: self.user, resolves: self.resolves)
                return Console.print(explained)
            } catch {
                throw Failure(code: .usage, sentence: "\(error)")
            }
        }
        for warning in daemon.warnings + (await daemon.unknownInstances()) { Console.error(warning.asWarning) }
        Console.print("\(daemon.name): fine")
    }

    private func compare() throws {
        let file = self.source.file ?? "warren.yaml"
        do throws(AdminFailure) {
            let client: AdminClient
            if let socket {
                client = AdminClient(path: String(socket.dropFirst(5)))
            } else {
                client = try AdminClient(file: file)
            }
            let whole = file.hasPrefix("/") ? file : "\(FileManager.default.currentDirectoryPath)/\(file)"
            Console.print(try client.diff(whole).text)
        } catch {
            throw Failure(code: .usage, sentence: "\(error)")
        }
    }
}
