// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import WarrenBench

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures this build on this machine: every path on loopback, in this process.",
        discussion: "The default takes 40 seconds. Compare figures only with others of the same machine and run."
    )

    @Option(name: .long, parsing: .upToNextOption, help: "Measure only these paths, such as forward jproxy.")
    var only: [String] = []

    @Option(name: .long, help: "Seconds for each measurement; there are six for every path.")
    var seconds = 1.0

    @Option(name: .long, help: "Measure everything so often, and show the medians.")
    var rounds = 1

    @Flag(name: .long, help: "Print one JSON object instead of a table.")
    var json = false

    mutating func validate() throws {
        guard (0.01...600).contains(self.seconds) else {
            throw ValidationError("--seconds must be between 0.01 and 600.")
        }
        guard (1...1000).contains(self.rounds) else {
            throw ValidationError("--rounds must be between 1 and 1000.")
        }
        for name in self.only where !Bench.paths.contains(name) {
            throw ValidationError("There is no path \(name); there are \(Bench.paths.joined(separator: ", ")).")
        }
    }

    mutating func run() async throws {
        var bench = Bench()
        bench.only = self.only
        bench.seconds = self.seconds
        bench.rounds = self.rounds
        let rows: [Bench.Row]
        do {
            rows = try await bench.run(progress: Self.progress)
        } catch {
            throw Failure(code: .demo, sentence: "the benchmark could not run: \(error)")
        }
        Console.progress("")
        Console.print(self.json ? try bench.json(rows) : Bench.table(rows))
        let failed = rows.count { $0.errors > 0 }
        guard failed == 0 else {
            throw Failure(code: .demo, sentence: "\(failed) of \(rows.count) paths had errors")
        }
    }

    private static func progress(_ step: String) {
        if Console.isTerminal { Console.progress("\(step) …") } else { Console.error(step) }
    }
}
