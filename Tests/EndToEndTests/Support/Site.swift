// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenAssembly

/// Both ends of a jProxy tunnel as two processes, with every inbound before them.
final class Site: Sendable {
    let folder: Folder
    let server: WarrenProcess
    let client: WarrenProcess

    private init(folder: Folder, server: WarrenProcess, client: WarrenProcess) {
        self.folder = folder
        self.server = server
        self.client = client
    }

    /// - Parameters:
    ///   - target: where the port forward leads.
    ///   - extended: whether both ends use the extension between two Warrens; nil if their configurations say nothing.
    static func start(target: Int, drain: String = "10s", extended: Bool? = false) async throws -> Site {
        let folder = try Folder()
        try JProxyKeys.write(name: "alice", to: folder.path)
        func adapted(_ yaml: String) -> String {
            guard let extended else { return yaml }
            return yaml.replacing("type: jproxy,", with: "type: jproxy, extension: \(extended ? "on" : "off"),")
        }
        let serving = adapted(Self.server(drain: drain))
        let server = try await WarrenProcess.start(yaml: serving, in: folder, name: "server")
        let dialling = adapted(Self.client(tunnel: try server.port("tunnel"), target: target, drain: drain))
        let client = try await WarrenProcess.start(yaml: dialling, in: folder, name: "client")
        return Site(folder: folder, server: server, client: client)
    }

    static func server(port: Int = 0, drain: String = "10s") -> String {
        """
        inbounds:
          - { name: tunnel, type: jproxy, listen: "127.0.0.1:\(port)", users: users }
        egress: { allow: [loopback] }
        drain: \(drain)
        """
    }

    static func client(tunnel: Int, target: Int, drain: String = "10s") -> String {
        """
        inbounds:
          - { name: mixed, type: mixed, listen: "127.0.0.1:0" }
          - { name: forward, type: forward, listen: "127.0.0.1:0", target: "127.0.0.1:\(target)" }
          - { name: tunnelled, type: mixed, listen: "127.0.0.1:0", to: far }
        outbounds:
          - { name: far, type: jproxy, server: "127.0.0.1:\(tunnel)", key: key.dat }
        egress: { allow: [loopback] }
        drain: \(drain)
        """
    }

    func stop() async {
        await self.client.stop()
        await self.server.stop()
    }
}

/// A way from curl to the origin.
enum Way: String, CaseIterable, Sendable {
    case socks5 = "SOCKS5 by name"
    case socks4a = "SOCKS4a"
    case absolute = "HTTP absolute"
    case connect = "HTTP CONNECT"
    case forward
    case jproxy = "SOCKS5 through jProxy"

    /// What curl is told to fetch `path` of the origin this way.
    func arguments(_ site: Site, _ web: Web, path: String) throws -> [String] {
        let mixed = try site.client.port("mixed")
        switch self {
        case .socks5: return ["-x", "socks5h://127.0.0.1:\(mixed)", web.url(path)]
        case .socks4a: return ["-x", "socks4a://127.0.0.1:\(mixed)", web.url(path)]
        case .absolute: return ["-x", "http://127.0.0.1:\(mixed)", web.url(path)]
        case .connect: return ["-p", "-x", "http://127.0.0.1:\(mixed)", web.url(path)]
        case .forward: return ["http://127.0.0.1:\(try site.client.port("forward"))/\(path)"]
        case .jproxy: return ["-x", "socks5h://127.0.0.1:\(try site.client.port("tunnelled"))", web.url(path)]
        }
    }
}

/// Reads a file whole.
func contents(of path: String) throws -> ByteBuffer { ByteBuffer(bytes: try Data(contentsOf: URL(filePath: path))) }
