// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenAssembly

/// Both ends of a vproxy tunnel as two processes, and a port before it.
struct VProxySite: Sendable {
    enum Carrier: String, CaseIterable, Sendable {
        case kcp
        case tcp
        case tls
        /// As it is toward deployed peers.
        case plain
        case six
        /// With one secret, and with a pair for each end.
        case shared, pair

        var keys: String {
            switch self {
            case .kcp, .six, .pair: ""
            case .shared: ", key: both.key"
            case .tcp: ", carrier: tcp"
            case .tls: ", carrier: tls"
            case .plain: ", extension: off, congestion: window, compression: auto, profile: fast2"
            }
        }

        var host: String { self == .six ? "[::1]" : "127.0.0.1" }
        /// As the client names it: certificates are for names.
        var name: String { self == .tls ? "localhost" : self.host }
    }

    let folder: Folder
    let carrier: Carrier
    let target: Int
    let server: WarrenProcess
    let client: WarrenProcess
    /// Between both, where it was asked for.
    let lab: LabProcess?

    /// - Parameters:
    ///   - keys: of the client's end, and of both.
    ///   - options: of a lab that stands between both.
    static func start(
        _ carrier: Carrier = .kcp, to target: Int, client keys: String = "", both: String = "",
        lab options: [String]? = nil
    ) async throws -> VProxySite {
        let folder = try Folder()
        if carrier == .tls {
            #expect(try await WarrenProcess.run("keygen", "tls", "localhost", "--out", folder.path).code == 0)
        }
        try VProxyKeys.write(name: "both", isShared: true, to: folder.path)
        for name in ["server", "client"] { try VProxyKeys.write(name: name, to: folder.path) }
        let server = try await Self.server(carrier, port: 0, to: target, in: folder, keys: both)
        var lab: LabProcess?
        if let options { lab = try await LabProcess.start("udp", to: server.port("in"), options) }
        let port = try lab?.port ?? server.port("in")
        let trusted =
            switch carrier {
            case .tls: ", tls: { ca: authority.crt }"
            case .pair: ", key: client.key, serverKey: server.pub"
            case .kcp, .tcp, .plain, .six, .shared: ""
            }
        let client = try await WarrenProcess.start(
            yaml: """
                log: { level: debug }
                inbounds: [{ name: door, type: forward, listen: "127.0.0.1:0", to: far }]
                outbounds:
                  - { name: far, type: vproxy, server: "\(carrier.name):\(port)"\(carrier.keys)\(trusted)\(keys)\(both) }
                """, in: folder, name: "client")
        return VProxySite(folder: folder, carrier: carrier, target: target, server: server, client: client, lab: lab)
    }

    private static func server(
        _ carrier: Carrier, port: Int, to target: Int, in folder: Folder, keys: String = ""
    ) async throws -> WarrenProcess {
        let shown =
            switch carrier {
            case .tls: ", tls: { cert: localhost.crt, key: localhost.key }"
            case .pair: ", key: server.key, clients: client.pub"
            case .kcp, .tcp, .plain, .six, .shared: ""
            }
        return try await WarrenProcess.start(
            yaml: """
                log: { level: debug }
                inbounds:
                  - { name: in, type: vproxy, listen: "\(carrier.host):\(port)", target: "127.0.0.1:\(target)"\(carrier.keys)\(shown)\(keys) }
                egress: { allow: [loopback] }
                """, in: folder, name: "server\(port)")
    }

    /// Another server on the port of the first one.
    func serverAgain() async throws -> WarrenProcess {
        try await Self.server(self.carrier, port: self.server.port("in"), to: self.target, in: self.folder)
    }

    func connect() async throws -> Wire { try await Wire.connect(to: self.client.address("door")) }

    func stop() async {
        await self.client.stop()
        await self.server.stop()
        await self.lab?.stop()
    }
}
