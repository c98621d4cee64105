// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The real curl.
enum Curl {
    static let executable = Program.find("curl")

    static var isThere: Bool { self.executable != nil }
    static let absence = "there is no curl on this machine"

    static var speaksHTTP2: Bool {
        get async {
            guard let executable = self.executable else { return false }
            return (try? await Program.run(executable, ["--version"]))?.output.contains("HTTP2") ?? false
        }
    }

    /// Runs curl quietly; `-f` is not given, so that answers of proxies are seen.
    static func run(_ arguments: [String]) async throws -> Program.Outcome {
        guard let executable = self.executable else { throw HarnessError(description: Self.absence) }
        return try await Program.run(executable, ["-q", "-sS", "--max-time", "60", "--noproxy", ""] + arguments)
    }
}
