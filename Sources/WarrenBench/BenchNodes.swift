// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Warren
import WarrenAssembly

/// Both ends of every measured path in this process, on loopback and free ports, for as long as somebody uses them.
@_spi(Bench) public enum BenchNodes {
    /// - Parameters:
    ///   - paths: names of ``Bench/paths``.
    ///   - target: the port of the target.
    ///   - body: is given a route for each path.
    public static func run(
        paths: [String], target: UInt16, _ body: ([String: LoadRoute]) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("warren-bench-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try JProxyKeys.write(name: "bench", to: folder.path)
        let chosen = BenchPath.all.filter { paths.contains($0.name) }
        try await Self.node(Self.far(chosen, folder.path)) { far in
            try await Self.node(Self.front(chosen, folder.path, far: far, target: target)) { fronts in
                let routes = chosen.map { ($0.name, $0.route(front: fronts[$0.name], target: target)) }
                try await body(Dictionary(routes) { first, _ in first })
            }
        }
    }

    private static func far(_ paths: [BenchPath], _ keys: String) -> [String: [String]] {
        let inbounds = paths.compactMap { path in
            path.far.map { #"{ name: \#(path.name), listen: "127.0.0.1:0", \#($0) }"# }
        }
        return ["inbounds": inbounds.map { $0.replacing("{keys}", with: keys) }]
    }

    private static func front(
        _ paths: [BenchPath], _ keys: String, far: [String: UInt16], target: UInt16
    ) -> [String: [String]] {
        func filled(_ text: String, _ path: BenchPath) -> String {
            text.replacing("{keys}", with: keys).replacing("{target}", with: "\(target)")
                .replacing("{far}", with: "\(far[path.name] ?? 0)")
        }
        let inbounds = paths.compactMap { path -> String? in
            let to = path.tunnel == nil ? "direct" : "\(path.name)-tunnel"
            return path.front.map {
                #"{ name: \#(path.name), listen: "127.0.0.1:0", to: \#(to), \#(filled($0, path)) }"#
            }
        }
        let outbounds = paths.compactMap { path in
            path.tunnel.map { "{ name: \(path.name)-tunnel, \(filled($0, path)) }" }
        }
        return ["inbounds": inbounds, "outbounds": outbounds]
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
