// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing

/// An agent and a server of WebSocks as two processes.
struct WebSocksSite: Sendable {
    enum Carrier: String, CaseIterable, Sendable {
        case tcp
        case tls
        case kcp
        case tlsInKCP

        /// Those to whose port anybody can connect.
        static let connections = [Self.tcp, .tls]
        var hasTLS: Bool { self == .tls || self == .tlsInKCP }
        var key: String { self == .tlsInKCP ? "kcp" : self.rawValue }
    }

    let folder: Folder
    let server: WarrenProcess
    let agent: WarrenProcess

    /// - Parameters:
    ///   - door: further keys of the server's inbound.
    ///   - far: further keys of the agent's outbound.
    ///   - password: what the agent believes.
    ///   - more: lines of the server's configuration.
    static func start(
        _ carrier: Carrier = .tcp, door: String = "", far: String = "", password: String = "pasSw0rD",
        server more: String = ""
    ) async throws -> WebSocksSite {
        let folder = try Folder()
        folder.write("server.pw", "pasSw0rD\n")
        folder.write("agent.pw", "\(password)\n")
        if carrier.hasTLS {
            #expect(try await WarrenProcess.run("keygen", "tls", "localhost", "--out", folder.path).code == 0)
        }
        let shown = carrier.hasTLS ? ", tls: { cert: localhost.crt, key: localhost.key }" : ""
        let server = try await WarrenProcess.start(
            yaml: """
                log: { level: debug }
                inbounds:
                  - { name: door, type: websocks, listen: "127.0.0.1:0", carrier: \(carrier.key)\(shown)\(door),
                      users: { alice: { passwordFile: server.pw } } }
                egress: { allow: [loopback] }
                \(more)
                """, in: folder, name: "server")
        let trusted = carrier.hasTLS ? ", tls: { ca: authority.crt }" : ""
        let named = carrier.key == "kcp" ? ", carrier: kcp" : ""
        let agent = try await WarrenProcess.start(
            yaml: """
                log: { level: debug }
                inbounds: [{ name: mixed, type: mixed, listen: "127.0.0.1:0", to: far }]
                outbounds:
                  - { name: far, type: websocks, server: "localhost:\(server.port("door"))"\(named)\(trusted)\(far),
                      user: alice, passwordFile: agent.pw }
                """, in: folder, name: "agent")
        return WebSocksSite(folder: folder, server: server, agent: agent)
    }

    /// Changes the server's configuration, which it is still to be told.
    func rewriteServer(_ edit: (String) -> String) throws {
        let path = "\(self.folder.path)/server.yaml"
        self.folder.write("server.yaml", edit(String(buffer: try contents(of: path))))
    }

    func connect(to port: Int) async throws -> Wire { try await Wire.socks5(self.agent.address("mixed"), to: port) }

    /// What the server says to these bytes, before it ends or has said so much.
    func ask(_ bytes: String, _ count: Int? = nil) async throws -> String {
        let wire = try await Wire.connect(to: self.server.address("door"))
        defer { wire.close() }
        try await wire.send(ByteBuffer(string: bytes))
        if let count { return String(buffer: try await wire.read(count)) }
        try await wire.finish()
        return String(buffer: try await wire.readToEnd().bytes)
    }

    func stop() async {
        await self.agent.stop()
        await self.server.stop()
    }
}
