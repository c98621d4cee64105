// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// `warren lab` before a port of 127.0.0.1.
struct LabProcess: Sendable {
    let program: Program
    let port: Int

    /// - Parameter kind: udp or tcp.
    static func start(_ kind: String, to target: Int, _ options: [String]) async throws -> LabProcess {
        let program = try Program.start(
            WarrenProcess.executable, ["lab", kind, "127.0.0.1:0", "127.0.0.1:\(target)"] + options)
        guard let line = await program.output(with: "ready lab=127.0.0.1:"),
            let port = line.firstMatch(of: /lab=127\.0\.0\.1:([0-9]+)/).flatMap({ Int($0.1) })
        else { throw HarnessError(description: "the lab did not become ready: \(await program.outcome().errors)") }
        return LabProcess(program: program, port: port)
    }

    /// Ends it in order.
    @discardableResult
    func stop() async -> Program.Outcome {
        self.program.signal(SIGTERM)
        return await self.program.outcome()
    }
}
