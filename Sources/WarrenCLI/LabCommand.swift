// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import UnixSignals
import WarrenConfiguration
import WarrenLab
import WarrenRuntime

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "Stands between two programs and does to their datagrams or connections what bad networks do.",
        discussion: """
            The same seed does the same again. Without --only, both directions are treated alike, each with random
            numbers of its own. The counters are on standard error when a signal ends it.
            """,
        subcommands: [UDP.self, TCP.self]
    )

    /// What both kinds of labs need.
    struct Ends: ParsableArguments {
        @Argument(help: "Where to listen, such as 127.0.0.1:9000; port 0 lets the system choose.")
        var listen: String

        @Argument(help: "Where everything leads, such as 127.0.0.1:9001.")
        var target: String

        @Option(name: .long, help: "Treat one direction only: up (to TARGET) or down.")
        var only: String?

        @Option(name: .long, help: "A number that says what happens; the default is a new one, which is printed.")
        var seed: String?
    }

    struct UDP: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "udp",
            abstract: "Loses, delays, reorders, duplicates and damages datagrams, and shapes their rate."
        )

        @OptionGroup var ends: Ends

        @Option(name: .long, help: "How many are lost, such as 5%.")
        var loss: String?

        @Option(name: .customLong("loss-burst"), help: "How many are lost in a row on average; at least 2.")
        var lossBurst: String?

        @Option(name: .long, help: "How long they are on their way, such as 20ms; at most 60s.")
        var delay: String?

        @Option(name: .long, help: "By how much the delay varies at most, such as 5ms; it reorders datagrams.")
        var jitter: String?

        @Option(name: .long, help: "How many leave without the delay, and so before others, such as 1%.")
        var reorder: String?

        @Option(name: .long, help: "How many arrive twice, such as 1%.")
        var duplicate: String?

        @Option(name: .long, help: "How many have one bit turned, such as 0.1%.")
        var corrupt: String?

        @Option(name: .long, help: "Bytes a second, such as 10MiB, without their headers; of all peers together.")
        var rate: String?

        @Option(name: .long, help: "Bytes that wait for --rate, such as 256KiB (the default); more are dropped.")
        var queue: String?

        @Option(name: .long, help: "Bytes of the longest datagram; longer ones are dropped.")
        var mtu: String?

        @Option(name: .long, help: "How often each peer gets a new port toward TARGET, as behind a NAT, such as 10s.")
        var rebind: String?

        @Option(
            name: .long,
            help: """
                When nothing passes, counted from the first datagram: 3s@10s once, 30s/60s in every 60s, at its end, \
                3s@10s/60s both.
                """)
        var blackout: String?

        mutating func run() async throws {
            let reader = LabReader()
            let ends = reader.ends(self.ends)
            let impairment = self.impairment(reader)
            let rebind = reader.read(self.rebind, "--rebind", .duration)
            let (up, down) = reader.directions(self.ends.only, impairment, Impairment())
            let seed = reader.seed(self.ends.seed)
            try reader.check()
            guard let ends else { return }
            try await LabCommand.run(seed) {
                try await RunningLab.datagrams(between: ends, up: up, down: down, rebind: rebind, seed: seed) {
                    Console.error($0)
                }
            }
        }
    }

    struct TCP: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tcp",
            abstract: "Delays, slows down, stalls, resets and cuts off connections.",
            discussion: """
                Chances are for each block of 16 KiB of each direction of each connection, and have their places in it: \
                with the same seed, the same connection ends at the same byte.
                """
        )

        @OptionGroup var ends: Ends

        @Option(name: .long, help: "How long bytes are on their way, such as 20ms; at most 60s.")
        var delay: String?

        @Option(name: .long, help: "By how much the delay varies at most, such as 5ms; bytes stay in their order.")
        var jitter: String?

        @Option(name: .long, help: "Bytes a second of each connection, such as 1MiB.")
        var rate: String?

        @Option(
            name: .long, help: "Bytes that are on their way at most, such as 4MiB (the default); then the sender waits."
        )
        var queue: String?

        @Option(name: .long, help: "The chance of a stall, in which nothing passes, such as 1%.")
        var stall: String?

        @Option(name: .customLong("stall-time"), help: "How long a stall lasts, such as 2s (the default).")
        var stallTime: String?

        @Option(name: .long, help: "The chance of a reset that both ends see, such as 0.1%.")
        var reset: String?

        @Option(
            name: .long,
            help: "The chance that the receiver sees an orderly end, and what the sender says is dropped, such as 0.1%."
        )
        var half: String?

        mutating func run() async throws {
            let reader = LabReader()
            let ends = reader.ends(self.ends)
            let impairment = self.impairment(reader)
            let (up, down) = reader.directions(self.ends.only, impairment, StreamImpairment())
            let seed = reader.seed(self.ends.seed)
            try reader.check()
            guard let ends else { return }
            try await LabCommand.run(seed) {
                try await RunningLab.streams(between: ends, up: up, down: down, seed: seed)
            }
        }
    }

    /// Runs until SIGINT or SIGTERM.
    private static func run(_ seed: UInt64, _ start: () async throws -> RunningLab) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let lab: RunningLab
        do {
            lab = try await start()
        } catch let failure as StartFailure {
            throw Failure(code: .start, sentence: failure.description)
        } catch let failure as UnknownTarget {
            throw Failure(code: .start, sentence: failure.description)
        }
        Console.print("ready lab=\(lab.address.text) seed=\(seed)")
        for await _ in signals { break }
        for line in await lab.stop() { Console.error(line) }
    }
}
