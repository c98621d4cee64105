// SPDX-License-Identifier: Apache-2.0

import Metrics

/// Counts what happened. Labels are names from the configuration and fault words, never addresses.
struct EventCounters: RuntimeObserver {
    func observe(_ event: RuntimeEvent) {
        switch event {
        case .streamEnded(let stream, _, let report, _): stream.counters.count(report)
        case .sessionStarted(let inbound, _, _, _): Self.count(sessions: inbound, "started")
        case .sessionEnded(let inbound, _, _, _, _, let wasUp, _):
            Self.count(sessions: inbound, wasUp ? "ended" : "refused")
        case .stranger(let inbound, _, _, _), .loginDenied(let inbound, _, _, _):
            Self.count(sessions: inbound, "refused")
        case .turnedAway(let inbound, _, _): Self.count(sessions: inbound, "limit")
        case .tunnelUp(let end, _): Self.count(tunnels: end.name, "up")
        case .tunnelLost(let end, _, _, _, let wasUp): Self.count(tunnels: end.name, wasUp ? "down" : "failed")
        case .exitLost(let outbound, _, _, _), .deviceLost(let outbound, _, _):
            Self.count(tunnels: outbound, "down")
        case .carrierFailed(let end, _, _): Self.count(tunnels: end.name, "failed")
        case .egressRefused, .listening, .outOfDescriptors, .granted, .note, .warn: break
        }
    }

    private static func count(sessions name: String, _ event: String) { self.count("warren_sessions", name, event) }
    private static func count(tunnels name: String, _ event: String) { self.count("warren_tunnels", name, event) }

    private static func count(_ label: String, _ name: String, _ event: String) {
        Counter(label: label, dimensions: [("name", name), ("event", event)]).increment()
    }
}
