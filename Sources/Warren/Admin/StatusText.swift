// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenRuntime

extension StatusReport {
    /// One JSON object on one line.
    public var json: String { (try? String(decoding: JSONEncoder.admin.encode(self), as: UTF8.self)) ?? "{}" }

    /// Tables for people.
    public var text: String {
        var parts = ["warren \(self.version), process \(self.pid), up for \(Self.time(self.uptimeMs))"]
        parts.append(
            Self.table(
                ["UNIT", "NAME", "TYPE", "LISTENS", "STREAMS"],
                self.units.map { [$0.role, $0.name, $0.type, $0.listen.joined(separator: " "), "\($0.streams)"] }))
        if !self.tunnels.isEmpty {
            parts.append(
                Self.table(
                    ["TUNNEL", "NAME", "STATE", "FOR", "PEER", "NEXT TRY", "WHY"],
                    self.tunnels.map { tunnel in
                        [
                            tunnel.role, tunnel.name, tunnel.state, Self.time(tunnel.forMs), tunnel.peer ?? "-",
                            tunnel.nextTryMs.map { Self.time($0) } ?? "-", tunnel.reason ?? "-",
                        ]
                    }))
        }
        if !self.sessions.isEmpty {
            parts.append(
                Self.table(
                    ["SESSION", "OF", "NAME", "PEER", "USER", "AGE", "STREAMS"],
                    self.sessions.map { session in
                        [
                            session.id, session.role, session.name, session.peer ?? "-", session.user ?? "-",
                            Self.time(session.ageMs), "\(session.streams)",
                        ]
                    }))
        }
        if !self.streams.isEmpty {
            parts.append(
                Self.table(
                    [
                        "STREAM", "INBOUND", "USER", "PEER", "DESTINATION", "OUTBOUND", "AGE", "IN", "OUT",
                        "IN WAITS FOR",
                        "OUT WAITS FOR",
                    ],
                    self.streams.map { stream in
                        [
                            stream.id, stream.inbound, stream.user ?? "-", stream.peer ?? "-", stream.destination,
                            stream.outbound, Self.time(stream.ageMs), "\(stream.bytesIn)", "\(stream.bytesOut)",
                            stream.waitsIn, stream.waitsOut,
                        ]
                    }))
        }
        return parts.joined(separator: "\n\n")
    }

    private static func time(_ milliseconds: Int) -> String {
        let seconds = milliseconds / 1000
        switch seconds {
        case ..<1: return "\(milliseconds)ms"
        case ..<60: return "\(seconds)s"
        case ..<3600: return "\(seconds / 60)m\(seconds % 60)s"
        default: return "\(seconds / 3600)h\(seconds / 60 % 60)m"
        }
    }

    static func table(_ head: [String], _ rows: [[String]]) -> String {
        let all = [head] + rows
        let widths = head.indices.map { column in
            all.map { row in row.indices.contains(column) ? row[column].count : 0 }.max() ?? 0
        }
        return all.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: max(0, $1 - $0.count)) }
            return cells.joined(separator: "  ").trimmingSuffix(of: " ")
        }.joined(separator: "\n")
    }
}

extension ChangeReport {
    public var text: String {
        let touched = self.units.filter { $0.change != "kept" }
        let kept = self.units.count - touched.count
        var lines = touched.map { unit in
            let count = "\(unit.streams) stream\(unit.streams == 1 ? "" : "s")"
            let streams =
                switch unit.change {
                case "added": ""
                case "adjusted": ", for new streams; \(count) untouched"
                default: ", \(count)"
                }
            return "\(unit.change) \(unit.role) \(unit.name)\(streams)"
        }
        if !self.settings.isEmpty { lines.append("settings: \(self.settings.joined(separator: ", "))") }
        lines.append(lines.isEmpty ? "nothing changes; \(kept) units" : "\(kept) units stay as they are")
        return lines.joined(separator: "\n")
    }
}

extension String {
    fileprivate func trimmingSuffix(of character: Character) -> String {
        var text = self[...]
        while text.last == character { text = text.dropLast() }
        return String(text)
    }
}
