// SPDX-License-Identifier: Apache-2.0

extension Bench {
    /// One column of the table.
    public enum Figure: String, CaseIterable, Sendable {
        case down = "down_1_stream_gigabytes_per_second"
        case downMany = "down_64_streams_gigabytes_per_second"
        case up = "up_1_stream_gigabytes_per_second"
        case roundTrips = "round_trips_1_connection_per_second"
        case median = "round_trips_1_connection_p50_microseconds"
        case slow = "round_trips_1_connection_p99_microseconds"
        case roundTripsMany = "round_trips_64_connections_per_second"
        case medianMany = "round_trips_64_connections_p50_microseconds"
        case slowMany = "round_trips_64_connections_p99_microseconds"
        case connections = "connections_per_second"

        /// What it is called in the JSON object, unit included.
        public var key: String { self.rawValue }

        /// The two lines above its column.
        var heading: (group: String, unit: String) {
            switch self {
            case .down: ("1 stream", "GB/s")
            case .downMany: ("64 streams", "GB/s")
            case .up: ("1 up", "GB/s")
            case .roundTrips: ("1 ×", "trips/s")
            case .median, .medianMany: ("", "p50 µs")
            case .slow, .slowMany: ("", "p99 µs")
            case .roundTripsMany: ("64 ×", "trips/s")
            case .connections: ("", "conn/s")
            }
        }

        /// Digits after the point.
        var digits: Int {
            switch self {
            case .down, .downMany, .up: 3
            case .median, .slow, .medianMany, .slowMany: 1
            case .roundTrips, .roundTripsMany, .connections: 0
            }
        }
    }

    /// One measurement, which gives one figure or several.
    enum Measurement: CaseIterable {
        case down, downMany, up, roundTrips, roundTripsMany, connections

        var title: String {
            switch self {
            case .down: "1 stream down"
            case .downMany: "64 streams down"
            case .up: "1 stream up"
            case .roundTrips: "round trips on 1 connection"
            case .roundTripsMany: "round trips on 64 connections"
            case .connections: "connections per second"
            }
        }

        func run(_ generator: LoadGenerator, _ route: LoadRoute, seconds: Double) async -> LoadTally {
            let limit = LoadLimit.seconds(seconds)
            return switch self {
            case .down: await generator.down(route, streams: 1, limit: limit)
            case .downMany: await generator.down(route, streams: 64, limit: limit)
            case .up: await generator.up(route, streams: 1, limit: limit)
            case .roundTrips: await generator.roundTrips(route, connections: 1, limit: limit)
            case .roundTripsMany: await generator.roundTrips(route, connections: 64, limit: limit)
            case .connections: await generator.connections(route, atATime: 32, limit: limit)
            }
        }

        func figures(_ tally: LoadTally) -> [Figure: Double] {
            let rate = tally.perSecond
            let (median, slow) = (tally.latencies.microseconds(below: 0.5), tally.latencies.microseconds(below: 0.99))
            return switch self {
            case .down: [.down: rate / 1e9]
            case .downMany: [.downMany: rate / 1e9]
            case .up: [.up: rate / 1e9]
            case .roundTrips: [.roundTrips: rate, .median: median, .slow: slow]
            case .roundTripsMany: [.roundTripsMany: rate, .medianMany: median, .slowMany: slow]
            case .connections: [.connections: rate]
            }
        }
    }
}
