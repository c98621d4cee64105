// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Warren
import WarrenAssembly

/// The main job on an embedded configuration: in one process, on loopback and free ports, an origin, both ends of each
/// protocol and the other inbounds; real requests through each, every byte checked.
public struct Demo: Sendable {
    /// What went over one path.
    public struct Row: Sendable {
        public let path: String
        public let bytes: Int
        public let megabytesPerSecond: Double
        /// Median time from the start of a connection to the first byte of the answer.
        public let milliseconds: Double
        /// Nil if all went well.
        public let failure: String?
    }

    /// The protocols that can be shown.
    public static let protocols = [
        "direct", "socks", "http", "forward", "jproxy", "jet", "zhwkprox", "mproxy", "vproxy", "websocks",
    ]
    /// What happens on the paths of a protocol, in a sentence.
    public static func story(of protocol: String) -> String? { Self.stories[`protocol`] }
    /// Only paths of these protocols; all if empty.
    public var only: [String] = []
    /// Bytes fetched over each path in one request.
    public var size = 256 << 20
    /// Small requests over each path, for the latency.
    public var rounds = 25

    public init() {}

    /// - Parameter progress: told what is being tried.
    /// - Returns: a row per path, in order.
    public func run(progress: @Sendable (String) -> Void) async throws -> [Row] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("warren-demo-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        progress("starting")
        try JProxyKeys.write(name: "demo", to: folder.path)
        try await DeviceToken.write("device", names: [Self.publicName], to: folder.path)
        _ = FileManager.default.createFile(
            atPath: "\(folder.path)/word", contents: Data("a word for the demo".utf8),
            attributes: [.posixPermissions: 0o600])
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let origin = try await Origin.start(on: group)
        let client = DemoClient(group: group)
        var rows: [Row] = []
        let port = UInt16(origin.localAddress?.port ?? 0)
        try await ShortLivedNode.run(Self.server(folder.path, target: port)) { server in
            try await ShortLivedNode.run(Self.front(folder.path, server, target: port)) { fronts in
                try await ShortLivedNode.run(Self.exit(folder.path, fronts["exits"], server["devices"], target: port)) {
                    _ in
                    let all = fronts.merging(server) { front, _ in front }
                    let paths = try Self.paths(all, origin: origin.localAddress, port: port)
                    for path in paths where self.only.isEmpty || self.only.contains(path.kind) {
                        progress(path.name)
                        rows.append(await self.measure(path, client))
                    }
                }
            }
        }
        try? await origin.close()
        try? await group.shutdownGracefully()
        return rows
    }

    private func measure(_ path: DemoPath, _ client: DemoClient) async -> Row {
        do {
            var latencies: [Int64] = []
            for _ in 0..<self.rounds { latencies.append(try await client.fetch(1, over: path).firstByte.nanoseconds) }
            let fetch = try await client.fetch(self.size, over: path)
            let seconds = Double(max(fetch.rest.nanoseconds, 1)) / 1e9
            return Row(
                path: path.name, bytes: self.size + self.rounds, megabytesPerSecond: Double(self.size) / 1e6 / seconds,
                milliseconds: Double(latencies.sorted()[latencies.count / 2]) / 1e6, failure: nil
            )
        } catch {
            return Row(path: path.name, bytes: 0, megabytesPerSecond: 0, milliseconds: 0, failure: "\(error)")
        }
    }
}

extension Demo {
    /// What visitors of the relay ask for.
    private static let publicName = "demo.test"

    private static let stories = [
        "direct": "The client asks the web server itself, for comparison.",
        "socks": "The client tells Warren by SOCKS where it wants to go, and Warren connects there.",
        "http": "The client tells Warren by HTTP where it wants to go, and Warren connects there.",
        "forward": "The client connects to a port of Warren, which leads to the web server.",
        "jproxy":
            "The client's Warren sends all streams through one encrypted tunnel to a second Warren, which connects.",
        "jet": "The web server's Warren and the client's Warren both dial a relay, which joins their connections.",
        "zhwkprox": "An exit that can only dial out takes the client's streams, and connects to the web server.",
        "mproxy": """
        The web server can only be reached from its own machine. A device there dials a relay and serves the name \
        \(publicName); a visitor asks the relay for that name, and gets the page.
        """,
        "vproxy":
            "The client's Warren sends streams over UDP, and repeats what is lost, to a second Warren before the web server.",
        "websocks":
            "The client's Warren asks a second one as if for a web page, and has its stream inside the WebSocket.",
    ]

    private static func server(_ folder: String, target: UInt16) -> String {
        """
        log: { level: error }
        inbounds:
          - { name: tunnel, type: jproxy, listen: "127.0.0.1:0", users: \(folder)/users }
          - { name: lossy, type: vproxy, listen: "127.0.0.1:0", target: "127.0.0.1:\(target)" }
          - { name: visitors, type: public, listen: "127.0.0.1:0", http: pass, to: devices }
          - { name: page, type: websocks, listen: "127.0.0.1:0", users: { demo: { passwordFile: \(folder)/word } } }
        outbounds:
          - { name: devices, type: mproxy, listen: "127.0.0.1:0", secretFile: \(folder)/secret }
        relays:
          - { name: meet, type: jet, listen: "127.0.0.1:0", instance: 127.0.0.1 }
        egress: { allow: [loopback] }
        """
    }

    private static func front(_ folder: String, _ server: [String: SocketAddress], target: UInt16) -> String {
        """
        log: { level: error }
        inbounds:
          - { name: mixed, type: mixed, listen: "127.0.0.1:0" }
          - { name: forward, type: forward, listen: "127.0.0.1:0", target: "127.0.0.1:\(target)" }
          - { name: tunnelled, type: socks5, listen: "127.0.0.1:0", to: far }
          - name: device
            type: jet
            relay: "127.0.0.1:\(server["meet"]?.port ?? 0)"
            target: "127.0.0.1:\(target)"
            repeat: true
            announce: \(folder)/association
          - { name: met, type: forward, listen: "127.0.0.1:0", to: meet }
          - { name: reverse, type: socks5, listen: "127.0.0.1:0", to: exits }
          - { name: upgraded, type: socks5, listen: "127.0.0.1:0", to: page }
          - { name: datagrams, type: forward, listen: "127.0.0.1:0", to: lossy }
        outbounds:
          - { name: exits, type: zhwkprox, listen: "127.0.0.1:0" }
          - { name: far, type: jproxy, server: "127.0.0.1:\(server["tunnel"]?.port ?? 0)", key: \(folder)/key.dat }
          - { name: lossy, type: vproxy, server: "127.0.0.1:\(server["lossy"]?.port ?? 0)" }
          - name: page
            type: websocks
            server: "127.0.0.1:\(server["page"]?.port ?? 0)"
            user: demo
            passwordFile: \(folder)/word
          - name: meet
            type: jet
            relay: "127.0.0.1:\(server["meet"]?.port ?? 0)"
            associationFile: \(folder)/association
        egress: { allow: [loopback] }
        """
    }

    private static func exit(
        _ folder: String, _ inter: SocketAddress?, _ relay: SocketAddress?, target: UInt16
    ) -> String {
        """
        log: { level: error }
        inbounds:
          - { name: exit, type: zhwkprox, dial: "127.0.0.1:\(inter?.port ?? 0)" }
          - name: device
            type: mproxy
            relay: "ws://127.0.0.1:\(relay?.port ?? 0)"
            tokenFile: \(folder)/device.token
            services: { \(Self.publicName): "127.0.0.1:\(target)" }
        egress: { allow: [loopback] }
        """
    }

    private static func paths(
        _ fronts: [String: SocketAddress], origin: SocketAddress?, port: UInt16
    ) throws -> [DemoPath] {
        guard let origin, let mixed = fronts["mixed"], let forward = fronts["forward"],
            let tunnelled = fronts["tunnelled"], let met = fronts["met"], let reverse = fronts["reverse"],
            let visitors = fronts["visitors"], let upgraded = fronts["upgraded"],
            let datagrams = fronts["datagrams"]
        else { throw DemoClient.Failure(description: "a listener has no address") }
        return [
            DemoPath("direct", "no proxy", front: origin),
            .socks4a("socks", "SOCKS4a → direct", front: mixed, port: port),
            .socks5("socks", "SOCKS5 → direct", front: mixed, port: port),
            .httpConnect("http", "HTTP CONNECT → direct", front: mixed, port: port),
            .httpAbsolute("http", "HTTP absolute → direct", front: mixed, port: port),
            DemoPath("forward", "forward → direct", front: forward),
            .socks5("jproxy", "SOCKS5 → jProxy → direct", front: tunnelled, port: port),
            DemoPath("jet", "forward → JET relay ← JET", front: met),
            .socks5("zhwkprox", "SOCKS5 → zhwkproX ← exit", front: reverse, port: port),
            DemoPath("mproxy", "visitor → M-PROXY ← device", front: visitors, host: Self.publicName),
            DemoPath("vproxy", "forward → vproxy, KCP → target", front: datagrams),
            .socks5("websocks", "SOCKS5 → WebSocks → direct", front: upgraded, port: port),
        ]
    }
}
