// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Warren

/// Both ends of every measured path in this process, on loopback and free ports, for as long as somebody uses them.
@_spi(Bench) public enum BenchNodes {
    /// - Parameters:
    ///   - paths: names of ``Bench/paths``.
    ///   - target: the port of the target.
    ///   - body: is given a route for each path.
    public static func run(
        paths: [String], target: UInt16, _ body: ([String: LoadRoute]) async throws -> Void
    ) async throws {
        let chosen = BenchPath.all.filter { paths.contains($0.name) }
        var raw: [String: UInt16] = [:]
        for path in chosen where path.isRaw { raw[path.name] = try LoadSocket.freePort(but: Set(raw.values)) }
        let files = try await BenchFiles(ports: raw)
        defer { files.remove() }
        var ports = Ports(keys: files.folder, target: target, raw: raw)
        try await Self.node(Self.far(chosen, ports)) { far in
            ports.far = far
            try await Self.node(Self.front(chosen, ports)) { fronts in
                ports.fronts = fronts
                try await Self.node(Self.back(chosen, ports)) { _ in
                    for port in raw.values { try await LoadSocket.waitFor(port) }
                    let routes = chosen.map { path in
                        (path.name, path.route(front: raw[path.name] ?? fronts[path.name], target: target))
                    }
                    try await body(Dictionary(routes) { first, _ in first })
                }
            }
        }
    }

    /// What stands in the place of the words in braces.
    private struct Ports {
        let keys: String
        let target: UInt16
        let raw: [String: UInt16]
        var far: [String: UInt16] = [:]
        var fronts: [String: UInt16] = [:]

        func filled(_ text: String, _ path: BenchPath) -> String {
            text.replacing("{keys}", with: self.keys).replacing("{target}", with: "\(self.target)")
                .replacing("{far}", with: "\(self.far[path.name] ?? 0)")
                .replacing("{raw}", with: "\(self.raw[path.name] ?? 0)")
                .replacing("{relay}", with: "\(self.fronts["\(path.name)-tunnel"] ?? 0)")
        }
    }

    private static func far(_ paths: [BenchPath], _ ports: Ports) -> [String: [String]] {
        let inbounds = paths.compactMap { path in
            path.far.map { #"{ name: \#(path.name), listen: "127.0.0.1:0", \#(ports.filled($0, path)) }"# }
        }
        return ["inbounds": inbounds]
    }

    private static func front(_ paths: [BenchPath], _ ports: Ports) -> [String: [String]] {
        let inbounds = paths.compactMap { path -> String? in
            let to = path.tunnel == nil ? "direct" : "\(path.name)-tunnel"
            return path.front.map {
                #"{ name: \#(path.name), listen: "127.0.0.1:0", to: \#(to), \#(ports.filled($0, path)) }"#
            }
        }
        let outbounds = paths.compactMap { path in
            path.tunnel.map { "{ name: \(path.name)-tunnel, \(ports.filled($0, path)) }" }
        }
        return ["inbounds": inbounds, "outbounds": outbounds]
    }

    private static func back(_ paths: [BenchPath], _ ports: Ports) -> [String: [String]] {
        ["inbounds": paths.compactMap { path in path.back.map { "{ name: \(path.name), \(ports.filled($0, path)) }" } }]
    }

    /// Runs a configuration while `body` uses the ports of its listeners, by name; just `body` if there are none.
    private static func node(
        _ entries: [String: [String]], _ body: ([String: UInt16]) async throws -> Void
    ) async throws {
        guard entries["inbounds"]?.isEmpty == false else { return try await body([:]) }
        let lists = entries.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }.map { key, values in
            "\(key):\n" + values.map { "  - \($0)\n" }.joined()
        }
        let yaml =
            "log: { level: error }\ndrain: 0s\negress: { allow: [loopback] }\n"
            + "limits: { sessions: 100000, streamsPerSession: 20000 }\n" + lists.joined()
        try await ShortLivedNode.run(yaml) { listeners in
            try await body(listeners.mapValues { UInt16($0.port ?? 0) })
        }
    }
}
