// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A site of Node that speaks HTTP/2, with a certificate of its own: Fixtures/site.mjs tells what it serves.
struct SecureSite: Sendable {
    private static let executable = Program.find("node", "nodejs")
    static var isThere: Bool { self.executable != nil }
    static let absence = "there is no node on this machine"

    let port: Int
    /// The SHA-256 of its public key, in Base64.
    let key: String
    private let program: Program

    /// - Parameter name: that of its certificate and key, in a folder.
    static func start(_ name: String, in folder: Folder) async throws -> SecureSite {
        guard let executable = self.executable else { throw HarnessError(description: Self.absence) }
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let words = [tests.appending(path: "Fixtures/site.mjs").path, "\(name).crt", "\(name).key"]
        let program = try Program.start(executable, words, in: folder.path)
        let line = await program.output(with: "port=")
        let values = (line ?? "").split(separator: " ").compactMap { $0.split(separator: "=", maxSplits: 1).last }
        guard values.count == 2, let port = Int(values[0]) else {
            program.signal(SIGKILL)
            throw HarnessError(description: "the site did not start: \(await program.outcome().errors)")
        }
        return SecureSite(port: port, key: String(values[1]), program: program)
    }

    /// What is at /part/NUMBER.
    static func part(_ number: Int) -> Data {
        let digits = Array("\(number)".utf8)
        return Data((0..<64 << 10).map { digits[$0 % digits.count] })
    }

    func stop() async {
        self.program.signal(SIGKILL)
        _ = await self.program.outcome()
    }
}
