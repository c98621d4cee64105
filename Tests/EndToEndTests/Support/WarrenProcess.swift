// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore

/// The real executable.
final class WarrenProcess: Sendable {
    let program: Program
    /// Its listeners, by name.
    let listeners: [String: SocketAddress]

    private init(_ program: Program, _ listeners: [String: SocketAddress]) {
        self.program = program
        self.listeners = listeners
    }

    /// It stands beside the test bundle.
    static var executable: URL {
        get throws {
            let places = CommandLine.arguments + Bundle.allBundles.map(\.bundlePath)
            for place in places where place.contains(".xctest") {
                var folder = URL(filePath: place).standardizedFileURL
                while folder.path.contains(".xctest") { folder.deleteLastPathComponent() }
                let found = folder.appending(path: "warren")
                if FileManager.default.isExecutableFile(atPath: found.path) { return found }
            }
            throw HarnessError(description: "there is no executable warren beside the test bundle")
        }
    }

    /// Runs a command to its end.
    static func run(
        _ arguments: String..., in folder: String? = nil, environment: [String: String] = [:]
    ) async throws -> Program.Outcome {
        try await Program.run(Self.executable, arguments, in: folder, environment: environment)
    }

    /// Starts `run` and waits until it is ready.
    static func start(_ arguments: String..., in folder: String? = nil) async throws -> WarrenProcess {
        let program = try Program.start(Self.executable, ["run"] + arguments, in: folder)
        guard let line = await program.errors.line(with: "ready ") else {
            throw HarnessError(description: "warren did not become ready: \(await program.outcome().errors)")
        }
        var listeners: [String: SocketAddress] = [:]
        for word in line.split(separator: " ").dropFirst() {
            guard let equals = word.firstIndex(of: "="), let colon = word.lastIndex(of: ":") else { continue }
            let host = word[word.index(after: equals)..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
            let port = Int(word[word.index(after: colon)...]) ?? 0
            listeners[String(word[..<equals])] = try SocketAddress(ipAddress: host, port: port)
        }
        return WarrenProcess(program, listeners)
    }

    /// Starts `run` on a configuration in `folder`.
    static func start(yaml: String, in folder: Folder, name: String = "warren") async throws -> WarrenProcess {
        let file = folder.write("\(name).yaml", yaml)
        return try await Self.start("-c", file, in: folder.path)
    }

    func address(_ name: String) throws -> SocketAddress {
        guard let address = self.listeners[name] else {
            throw HarnessError(description: "there is no listener \(name)")
        }
        return address
    }

    func port(_ name: String) throws -> Int { try self.address(name).port ?? 0 }

    /// Ends it in order.
    @discardableResult
    func stop() async -> Program.Outcome {
        self.program.signal(SIGTERM)
        return await self.program.outcome()
    }

    /// Ends it without warning.
    func crash() async {
        self.program.signal(SIGKILL)
        _ = await self.program.outcome()
    }
}

/// A new folder that is removed when the value goes.
final class Folder: Sendable {
    let path: String

    init() throws {
        self.path = FileManager.default.temporaryDirectory.appending(path: "warren-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    @discardableResult
    func write(_ name: String, _ text: String) -> String {
        let path = "\(self.path)/\(name)"
        let contents = Data(text.utf8)
        _ = FileManager.default.createFile(atPath: path, contents: contents, attributes: [.posixPermissions: 0o600])
        return path
    }
}
