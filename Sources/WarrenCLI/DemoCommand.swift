// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import WarrenDemo

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Shows the main job: real requests through every path on loopback, every byte checked."
    )

    @Argument(help: "Show only the paths of these protocols, such as jproxy.")
    var protocols: [String] = []

    @Option(name: .long, help: "MiB fetched over each path.")
    var mebibytes = 256

    mutating func validate() throws {
        guard (1...65_536).contains(self.mebibytes) else {
            throw ValidationError("--mebibytes must be between 1 and 65536.")
        }
        for name in self.protocols where !Demo.protocols.contains(name) {
            throw ValidationError("There is no demo of \(name); there are \(Demo.protocols.joined(separator: ", ")).")
        }
    }

    mutating func run() async throws {
        for name in self.protocols { Demo.story(of: name).map { Console.print("\(name): \($0)") } }
        var demo = Demo()
        demo.size = self.mebibytes << 20
        demo.only = self.protocols
        let rows: [Demo.Row]
        do {
            rows = try await demo.run { Console.progress("\($0) …") }
        } catch {
            throw Failure(code: .demo, sentence: "the demo could not run: \(error)")
        }
        Console.progress("")
        Console.print(Self.line("path", "bytes", "MB/s", "first byte", ""))
        for row in rows {
            let speed = String(format: "%.0f", row.megabytesPerSecond)
            let latency = String(format: "%.2f ms", row.milliseconds)
            Console.print(Self.line(row.path, "\(row.bytes)", speed, latency, row.failure ?? "every byte right"))
        }
        let failed = rows.count { $0.failure != nil }
        guard failed == 0, !rows.isEmpty else {
            throw Failure(code: .demo, sentence: "\(failed) of \(rows.count) paths failed")
        }
    }

    private static func line(
        _ path: String, _ bytes: String, _ speed: String, _ latency: String, _ end: String
    ) -> String {
        func right(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let padded = path + String(repeating: " ", count: max(0, 26 - path.count))
        return "\(padded)\(right(bytes, 12))\(right(speed, 8))\(right(latency, 12))  \(end)"
    }
}
