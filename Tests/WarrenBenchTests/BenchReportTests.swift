// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import WarrenBench

@Suite struct BenchReportTests {
    private static let rows = [
        Bench.Row(
            name: "forward", title: "forward", figures: [.down: 1.23456, .roundTrips: 28_283.4, .slow: 55.04],
            errors: 0, firstError: nil
        ),
        Bench.Row(
            name: "jproxy", title: "socks5 → jproxy → direct", figures: [.connections: 5443], errors: 2,
            firstError: "1 stream up: the connection ended early"
        ),
    ]

    @Test func theTableHasALinePerPathInColumns() {
        let lines = Bench.table(Self.rows).components(separatedBy: "\n")
        #expect(lines.count == 6)
        #expect(Set(lines[..<4].map(\.count)).count == 1)
        #expect(lines[1].contains("GB/s") && lines[1].hasSuffix("errors"))
        #expect(lines[2].hasPrefix("forward "))
        for text in ["1.235", "28283", "55.0", "–"] { #expect(lines[2].contains(" \(text) ")) }
        #expect(lines[3].hasSuffix("2"))
    }

    @Test func theTableNamesTheFirstErrorAndWhatTheFiguresContain() {
        let lines = Bench.table(Self.rows).components(separatedBy: "\n")
        #expect(lines[4] == "error: socks5 → jproxy → direct: 1 stream up: the connection ended early")
        #expect(lines[5] == Bench.note)
    }

    @Test func theObjectHasUnitsInItsKeys() throws {
        var bench = Bench()
        bench.seconds = 0.5
        bench.rounds = 3
        let text = try bench.json(Self.rows)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["measurement_seconds"] as? Double == 0.5)
        #expect(object["rounds"] as? Int == 3)
        #expect(object["note"] as? String == Bench.note)
        let paths = try #require(object["paths"] as? [[String: Any]])
        #expect(paths.map { $0["path"] as? String } == ["forward", "jproxy"])
        #expect(paths[0]["down_1_stream_gigabytes_per_second"] as? Double == 1.235)
        #expect(paths[0]["round_trips_1_connection_per_second"] as? Double == 28_283)
        #expect(paths[0]["round_trips_1_connection_p99_microseconds"] as? Double == 55)
        #expect(paths[0]["first_error"] == nil)
        #expect(paths[1]["errors"] as? Int == 2)
        #expect(paths[1]["first_error"] as? String == "1 stream up: the connection ended early")
    }

    @Test func everyFigureHasItsOwnKey() {
        let keys = Bench.Figure.allCases.map(\.key)
        #expect(Set(keys).count == keys.count)
        #expect(keys.allSatisfy { $0.hasSuffix("_per_second") || $0.hasSuffix("_microseconds") })
    }
}
