// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenAssembly
import WarrenTesting

/// The outbounds `socks5` and `http` before the real Dante and the real squid.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: OthersProxy.areThere, "\(OthersProxy.absence)")
) struct OthersProxyTests {
    enum Way: String, CaseIterable, Sendable {
        case dante
        case squid
        case squidBehindDante = "squid through Dante"
        case danteBehindSquid = "Dante through squid"
        case jproxyBehindDante = "jProxy through Dante"
        case jproxyBehindSquid = "jProxy through squid"
    }

    /// Both proxies, a jProxy server, and the Warren that uses them with an inbound for each way.
    private struct Path: Sendable {
        let near: WarrenProcess
        let dante: OthersProxy
        private let squid: OthersProxy
        private let far: WarrenProcess
        private let folder: Folder

        static func start(password: String = "secret") async throws -> Path {
            let folder = try Folder()
            try JProxyKeys.write(name: "alice", to: folder.path)
            _ = folder.write("password", password)
            let (dante, squid) = (try await OthersProxy.start(.dante), try await OthersProxy.start(.squid))
            let far = try await WarrenProcess.start(
                yaml: """
                    inbounds: [{ name: tunnel, type: jproxy, listen: "127.0.0.1:0", users: users }]
                    egress: { allow: [loopback] }
                    """, in: folder, name: "far")
            let tunnel = "type: jproxy, server: \"127.0.0.1:\(try far.port("tunnel"))\", key: key.dat"
            let socks5 = "type: socks5, server: \"127.0.0.1:\(dante.port)\""
            let http = "type: http, server: \"127.0.0.1:\(squid.port)\", user: alice, passwordFile: password"
            let inbounds = Way.allCases.map {
                "  - { name: \($0), type: mixed, listen: \"127.0.0.1:0\", to: \($0) }"
            }
            let near = try await WarrenProcess.start(
                yaml: """
                    log: { level: debug }
                    inbounds:
                    \(inbounds.joined(separator: "\n"))
                    outbounds:
                      - { name: dante, \(socks5) }
                      - { name: squid, \(http) }
                      - { name: squidBehindDante, \(http), through: dante }
                      - { name: danteBehindSquid, \(socks5), through: squid }
                      - { name: jproxyBehindDante, \(tunnel), through: dante }
                      - { name: jproxyBehindSquid, \(tunnel), through: squid }
                    """, in: folder, name: "near")
            return Path(near: near, dante: dante, squid: squid, far: far, folder: folder)
        }

        func stop() async {
            await self.near.stop()
            await self.far.stop()
            await self.squid.stop()
            await self.dante.stop()
        }
    }

    @Test("megabytes go both ways at once, and 20 streams beside each other", arguments: Way.allCases)
    func exchanges(way: Way) async throws {
        let server = try await Server.exchange()
        let path = try await Path.start()
        let front = try path.near.address("\(way)")
        let large = try await Exchange.run(0, count: 4 << 20, over: Wire.socks5(front, to: server.port))
        #expect(large == nil)
        let wrong = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for seed in UInt64(1)...20 {
                tasks.addTask {
                    try await Exchange.run(seed, count: 200_000, over: Wire.socks5(front, to: server.port))
                }
            }
            return try await tasks.reduce(into: [String]()) { if let line = $1 { $0.append(line) } }
        }
        #expect(wrong == [])
        await path.stop()
        try await server.stop()
    }

    @Test(
        "curl is answered through them, to GET and to PUT", .enabled(if: Curl.isThere, "\(Curl.absence)"),
        arguments: Way.allCases)
    func curl(way: Way) async throws {
        let web = try await Web.start()
        let path = try await Path.start()
        let folder = try Folder()
        let file = "\(folder.path)/page"
        let port = try path.near.port("\(way)")
        let upload = Exchange.up(1, 3_000_000)
        try Data(upload.readableBytesView).write(to: URL(filePath: "\(folder.path)/upload"))
        for scheme in ["http", "socks5"] {
            let proxy = ["-x", "\(scheme)://127.0.0.1:\(port)"]
            let got = try await Curl.run(proxy + ["-o", file, web.url("3000000", host: "127.0.0.1")])
            #expect(got.code == 0, "\(got.errors)")
            #expect(try contents(of: file) == Web.content(3_000_000))
            let put = try await Curl.run(
                proxy + ["-T", "\(folder.path)/upload", web.url("", host: "127.0.0.1")])
            #expect(put.output == upload.sha256, "\(put.errors)")
        }
        await path.stop()
        try await web.stop()
    }

    @Test("who has finished hears the rest through Dante: squid ends both directions")
    func halfCloses() async throws {
        let server = try await Server.patient()
        let path = try await Path.start()
        for way in [Way.dante, .jproxyBehindDante, .jproxyBehindSquid] {
            let wire = try await Wire.socks5(path.near.address("\(way)"), to: server.port)
            #expect(try await Exchange.halfClosed(1, over: wire) == nil, "\(way)")
        }
        await path.stop()
        try await server.stop()
    }

    @Test(
        "what they cannot or may not reach is told to the user, and the log says why",
        arguments: [Way.dante, .squid, .squidBehindDante, .danteBehindSquid])
    func refusals(way: Way) async throws {
        let closed = try #require(ClosedPort())
        let path = try await Path.start()
        let front = try path.near.address("\(way)")
        for (number, target) in ["127.0.0.1:\(closed.number)", "\(OthersProxy.forbidden):9"].enumerated() {
            let isForbidden = number == 1
            let wire = try await Wire.connect(to: front)
            try await wire.send(ByteBuffer(string: "CONNECT \(target) HTTP/1.1\r\n\r\n"))
            let (answer, _) = try await wire.readToEnd()
            let status = isForbidden ? "HTTP/1.1 403 Destination not allowed" : "HTTP/1.1 502 Connection refused"
            #expect(String(buffer: answer).hasPrefix("\(status)\r\n"), "\(String(buffer: answer))")
            wire.close()
            let line = await path.near.program.errors.line(with: "destination=\(target)")
            #expect(line?.contains(isForbidden ? "reason=\"not allowed\"" : "reason=refused") == true, "\(line ?? "")")
        }
        let refusal = await #expect(throws: HarnessError.self) {
            _ = try await Wire.socks5(front, to: Int(closed.number))
        }
        #expect(refusal?.description.contains("05050001") == true, "\(refusal?.description ?? "")")
        await path.stop()
        withExtendedLifetime(closed) {}
    }

    @Test("squid's refusal of a login is named in the log, and its user is told")
    func logins() async throws {
        let path = try await Path.start(password: "wrong")
        let wire = try await Wire.connect(to: path.near.address("squid"))
        try await wire.send(ByteBuffer(string: "CONNECT 127.0.0.1:9 HTTP/1.1\r\n\r\n"))
        let (answer, _) = try await wire.readToEnd()
        #expect(String(buffer: answer).hasPrefix("HTTP/1.1 403 "))
        let line = await path.near.program.errors.line(with: "outbound=squid reason=\"rejected")
        #expect(line?.contains("it does not know this login") == true)
        wire.close()
        await path.stop()
    }
}
