// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import WarrenTesting

@testable @_spi(Bench) import WarrenBench

@Suite(.timeLimit(.minutes(2))) struct BenchTests {
    @Test func everyPathHasEveryFigure() async throws {
        var bench = Bench()
        bench.seconds = 0.01
        let steps = Mutex<[String]>([])
        let rows = try await bench.run { step in steps.withLock { $0.append(step) } }
        #expect(rows.map(\.name) == Bench.paths)
        for row in rows {
            #expect(row.errors == 0, "\(row.firstError ?? "")")
            for figure in Bench.Figure.allCases { #expect(row.figures[figure] ?? 0 > 0, "\(row.name) \(figure)") }
        }
        let all = steps.withLock { $0 }
        #expect(all.count == 1 + rows.count * 6)
        #expect(all.last == "54/54 forward → vproxy over tcp → target: connections per second")
    }

    @Test func measuresOnlyWhatWasAskedForAndSoOften() async throws {
        var bench = Bench()
        bench.seconds = 0.01
        bench.rounds = 2
        bench.only = ["direct"]
        let steps = Mutex(0)
        let rows = try await bench.run { _ in steps.withLock { $0 += 1 } }
        #expect(rows.map(\.name) == ["direct"])
        #expect(steps.withLock { $0 } == 13)
    }

    @Test func countsExactly() async throws {
        let target = try LoadTarget(threads: 1)
        defer { target.stop() }
        let generator = LoadGenerator(target: target)
        let route = LoadRoute.plain(port: target.port)
        let down = await generator.down(route, streams: 3, limit: .amount(10 << 20))
        #expect(down.failures == 0, "\(down.firstFailure ?? "")")
        #expect(down.count >= 10 << 20)
        let up = await generator.up(route, streams: 3, limit: .amount(10 << 20))
        #expect(up.failures == 0, "\(up.firstFailure ?? "")")
        #expect(up.count >= 10 << 20 && up.count % (1 << 20) == 0)
        let alone = await generator.roundTrips(route, connections: 1, limit: .amount(100))
        #expect(alone.count == 100 && alone.latencies.count == 100 && alone.failures == 0)
        let connections = await generator.connections(route, atATime: 4, limit: .amount(100))
        #expect(connections.count == 100 && connections.failures == 0)
        let hold = try await generator.hold(route, connections: 50)
        hold.end()
    }

    @Test func saysWhatWentWrong() async throws {
        let target = try LoadTarget(threads: 1)
        let generator = LoadGenerator(target: target)
        target.stop()
        // The target's own port may be another test's by now.
        let closed = try #require(ClosedPort())
        let route = LoadRoute.plain(port: closed.number)
        for tally in [
            await generator.down(route, streams: 2, limit: .seconds(0.01)),
            await generator.up(route, streams: 2, limit: .seconds(0.01)),
            await generator.roundTrips(route, connections: 2, limit: .seconds(0.01)),
            await generator.connections(route, atATime: 2, limit: .seconds(0.01)),
        ] {
            #expect(tally.count == 0)
            #expect(tally.failures >= 2)
            #expect(tally.firstFailure?.hasPrefix("cannot connect: ") == true)
        }
        await #expect(throws: LoadFailure.self) { try await generator.hold(route, connections: 1) }
    }

    @Test func anInboundThatRefusesIsAFailure() async throws {
        // An echo is no SOCKS5 answer: its second byte is how many methods were offered.
        let target = try LoadTarget(threads: 1)
        defer { target.stop() }
        let step = LoadRoute.Step(say: [LoadTarget.Purpose.echo, 1], count: 2, prefix: [LoadTarget.Purpose.echo, 0])
        let route = LoadRoute(port: target.port, steps: [step])
        let generator = LoadGenerator(target: target)
        let trips = await generator.roundTrips(route, connections: 1, limit: .amount(1))
        #expect(trips.firstFailure == "the inbound refused: [101, 1]")
        let connections = await generator.connections(route, atATime: 1, limit: .amount(1))
        #expect(connections.firstFailure == "the inbound refused")
    }
}
