// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Warren

/// Which process is asked.
struct AdminSocket: ParsableArguments {
    @Option(
        name: [.customShort("c"), .customLong("config")],
        help: ArgumentHelp(
            "The configuration file of the process, whose admin: names its socket (default: warren.yaml).",
            valueName: "file"))
    var files: [String] = []

    var file: String? { self.files.first }

    @Option(name: .customLong("admin"), help: ArgumentHelp("The socket itself.", valueName: "unix:/path"))
    var socket: String?

    mutating func validate() throws {
        if self.files.count > 1 { throw ValidationError("-c is given twice; a process has one configuration file.") }
        if let socket, !socket.hasPrefix("unix:/") {
            throw ValidationError("--admin takes unix: and a whole path, such as unix:/run/warren.sock.")
        }
    }

    func ask<Answer>(_ body: (AdminClient) throws(AdminFailure) -> Answer) throws -> Answer {
        do throws(AdminFailure) {
            if let socket { return try body(AdminClient(path: String(socket.dropFirst(5)))) }
            return try body(try AdminClient(file: self.file ?? "warren.yaml"))
        } catch {
            throw Failure(code: .usage, sentence: "\(error)")
        }
    }
}

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the units, tunnels, sessions and streams of a running process.",
        discussion: "The process needs admin: { listen: unix:/path } in its configuration."
    )

    @OptionGroup var admin: AdminSocket
    @Flag(help: "One JSON object on one line.") var json = false
    @Flag(help: "Again every second, until it is interrupted.") var watch = false

    mutating func run() throws {
        repeat {
            let status = try self.admin.ask { client throws(AdminFailure) in try client.status() }
            let clear = self.watch && !self.json ? "\u{1B}[2J\u{1B}[H" : ""
            Console.print(clear + (self.json ? status.json : status.text))
            // For people to read it: nothing is waited for.
            if self.watch { Thread.sleep(forTimeInterval: 1) }
        } while self.watch
    }
}

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Has a running process read its configuration again and apply it: all of it, or nothing.",
        discussion: "Prints what has changed. Streams of units that are the same in both see nothing of it."
    )

    @OptionGroup var admin: AdminSocket

    mutating func run() throws {
        Console.print(try self.admin.ask { client throws(AdminFailure) in try client.reload() }.text)
    }
}

struct KillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill", abstract: "Ends a stream or a session of a running process."
    )

    @OptionGroup var admin: AdminSocket
    @Argument(help: "As warren status shows it: 12 for a stream, s12 for a session.") var id: String

    mutating func run() throws {
        let id = self.id
        try self.admin.ask { client throws(AdminFailure) in try client.kill(id) }
    }
}
