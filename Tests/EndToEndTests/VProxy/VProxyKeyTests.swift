// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenAssembly
import WarrenTesting

/// vproxy tunnels between two Warrens that have keys, and between those of which one has none or another.
@Suite(.timeLimit(.minutes(2))) struct VProxyKeyTests {
    /// Keys of both ends, and what each of them says in vain.
    struct Mismatch: CustomTestStringConvertible, Sendable {
        let name: String
        let server: String
        let client: String
        /// Nil where the server cannot tell.
        let serverSays: String?
        let clientSays: String

        var testDescription: String { self.name }

        private static let noAnswer = "cannot agree on keys: the peer does not answer"

        static let all = [
            Mismatch(
                name: "two secrets", server: ", key: both.key", client: ", key: other.key",
                serverSays: "its key is another", clientSays: Self.noAnswer),
            Mismatch(
                name: "a wrong server", server: ", key: server.key, clients: client.pub",
                client: ", key: client.key, serverKey: stranger.pub", serverSays: "its key is another",
                clientSays: Self.noAnswer),
            Mismatch(
                name: "a client that is not listed", server: ", key: server.key, clients: client.pub",
                client: ", key: stranger.key, serverKey: server.pub",
                serverSays: "its public key is not among the clients", clientSays: Self.noAnswer),
            Mismatch(
                name: "a client without a key", server: ", key: both.key", client: "",
                serverSays: "it speaks KCP without a key", clientSays: "timed out in handshake"),
            Mismatch(
                name: "a server without a key", server: "", client: ", key: both.key", serverSays: nil,
                clientSays: "it is not there, or it has another key or none"),
        ]
    }

    private static func server(_ keys: String, to target: Int, in folder: Folder) async throws -> WarrenProcess {
        try await WarrenProcess.start(
            yaml: """
                log: { level: debug }
                inbounds: [{ name: in, type: vproxy, listen: "127.0.0.1:0", target: "127.0.0.1:\(target)"\(keys) }]
                egress: { allow: [loopback] }
                """, in: folder, name: "server")
    }

    private static func client(
        _ keys: String, to port: Int, in folder: Folder, name: String = "client"
    ) async throws -> WarrenProcess {
        try await WarrenProcess.start(
            yaml: """
                log: { level: debug }
                inbounds: [{ name: door, type: forward, listen: "127.0.0.1:0", to: far }]
                outbounds: [{ name: far, type: vproxy, server: "127.0.0.1:\(port)", lanes: 1\(keys) }]
                """, in: folder, name: name)
    }

    private static func folder() throws -> Folder {
        let folder = try Folder()
        for name in ["server", "client", "stranger"] { try VProxyKeys.write(name: name, to: folder.path) }
        for name in ["both", "other"] { try VProxyKeys.write(name: name, isShared: true, to: folder.path) }
        return folder
    }

    @Test(
        "who has no key, or another one, comes to nothing, and the logs say why without a secret",
        arguments: Mismatch.all)
    func mismatch(mismatch: Mismatch) async throws {
        let echo = try await Server.echo()
        let folder = try Self.folder()
        let server = try await Self.server(mismatch.server, to: echo.port, in: folder)
        let client = try await Self.client(mismatch.client, to: server.port("in"), in: folder)
        let wire = try await Wire.connect(to: client.address("door"))
        #expect(try await wire.readToEnd().end == .reset)
        wire.close()
        let line = try #require(await client.program.errors.line(with: "tunnel not up", "tunnel lost"))
        #expect(line.contains(mismatch.clientSays), "\(line)")
        if let says = mismatch.serverSays {
            let line = try #require(await server.program.errors.line(with: "stranger turned away"))
            #expect(line.contains(says), "\(line)")
        }
        let said = await client.stop().errors + server.stop().errors
        for name in ["server", "client", "stranger", "both", "other"] {
            let secret = try String(contentsOfFile: "\(folder.path)/\(name).key", encoding: .utf8)
            let digits = try #require(secret.split(separator: ":").last).prefix(12)
            #expect(!said.contains(digits))
        }
        try await echo.stop()
    }

    @Test("streams go on when their client has another port, both ways, and no datagram is longer than it may be")
    func moves() async throws {
        let (endless, folder) = (try await Server.endless(), try Self.folder())
        let server = try await Self.server(", key: server.key, clients: client.pub", to: endless.port, in: folder)
        let relay = try await DatagramRelay.start(to: server.port("in"))
        let client = try await Self.client(
            ", key: client.key, serverKey: server.pub", to: relay.port, in: folder)
        let wire = try await Wire.connect(to: client.address("door"))
        try await wire.send(ByteBuffer(string: "go"))
        for turn in 0..<6 {
            #expect(Endless.matches(try await wire.read(1 << 20), at: turn << 20))
            try await relay.move()
        }
        try await wire.reset()
        #expect(relay.longest <= 1250)
        #expect(relay.firstBytes == [0x11, 0x14])
        #expect(!client.program.errors.text.contains("tunnel lost"))
        await client.stop()
        await server.stop()
        try await relay.stop()
        try await endless.stop()
    }

    @Test("an upload goes on when its client has another port") func movesUpward() async throws {
        let (echo, folder) = (try await Server.echo(), try Self.folder())
        let server = try await Self.server(", key: both.key", to: echo.port, in: folder)
        let relay = try await DatagramRelay.start(to: server.port("in"))
        let client = try await Self.client(", key: both.key", to: relay.port, in: folder)
        let wire = try await Wire.connect(to: client.address("door"))
        for seed in UInt64(0)..<10 {
            var random = SeededRandom(seed)
            let content = random.bytes(200_000)
            try await wire.send(content)
            #expect(try await wire.read(content.readableBytes) == content)
            try await relay.move()
        }
        wire.close()
        #expect(relay.longest > 1000 && relay.longest <= 1250)
        await client.stop()
        await server.stop()
        try await relay.stop()
        try await echo.stop()
    }

    @Test("streams go on from another socket when the client's own address is gone")
    func losesItsAddress() async throws {
        let (echo, folder) = (try await Server.echo(), try Self.folder())
        let server = try await Self.server(", key: both.key", to: echo.port, in: folder)
        let relay = try await DatagramRelay.start(to: server.port("in"))
        let client = try await Self.client(", key: both.key", to: relay.port, in: folder)
        let wire = try await Wire.connect(to: client.address("door"))
        for seed in UInt64(0)..<3 {
            var random = SeededRandom(seed)
            let content = random.bytes(100_000)
            try await wire.send(content)
            #expect(try await wire.read(content.readableBytes) == content)
            relay.strand()
        }
        wire.close()
        #expect(!client.program.errors.text.contains("tunnel lost"))
        await client.stop()
        await server.stop()
        try await relay.stop()
        try await echo.stop()
    }

    @Test("a client whose public key comes into the folder is let in with the next configuration")
    func reload() async throws {
        let (echo, folder) = (try await Server.echo(), try Self.folder())
        try FileManager.default.createDirectory(atPath: "\(folder.path)/clients", withIntermediateDirectories: false)
        let server = try await Self.server(", key: server.key, clients: clients", to: echo.port, in: folder)
        try FileManager.default.copyItem(
            atPath: "\(folder.path)/client.pub", toPath: "\(folder.path)/clients/client.pub")
        server.program.signal(SIGHUP)
        #expect(await server.program.errors.line(with: "configuration applied")?.contains("in") == true)
        let client = try await Self.client(
            ", key: client.key, serverKey: server.pub", to: server.port("in"), in: folder)
        let wire = try await Wire.connect(to: client.address("door"))
        let content = Web.content(100_000)
        try await wire.send(content)
        #expect(try await wire.read(content.readableBytes) == content)
        wire.close()
        await client.stop()
        await server.stop()
        try await echo.stop()
    }

    @Test("a key that comes or goes with the next configuration holds at once, on the same port")
    func keyComesAndGoes() async throws {
        let (far, folder) = (try await Server.exchange(), try Self.folder())
        let server = try await Self.server("", to: far.port, in: folder)
        let path = "\(folder.path)/server.yaml"
        let plain = try String(contentsOfFile: path, encoding: .utf8)
        let keyed = plain.replacing("type: vproxy,", with: "type: vproxy, key: both.key,")
        for (turn, key) in ["", ", key: both.key", "", ", key: both.key"].enumerated() {
            if turn > 0 {
                folder.write("server.yaml", key.isEmpty ? plain : keyed)
                server.program.signal(SIGHUP)
                try await eventually("the configuration is applied") {
                    server.program.errors.text.components(separatedBy: "configuration applied").count == turn + 1
                }
            }
            let client = try await Self.client(key, to: server.port("in"), in: folder, name: "client\(turn)")
            for seed in UInt64(0)..<4 {
                #expect(try await Exchange.run(seed, over: Wire.connect(to: client.address("door"))) == nil)
            }
            await client.stop()
        }
        await server.stop()
        try await far.stop()
    }

    @Test("conversations end with the key that they have, and those without one when there is one")
    func keyEndsOthers() async throws {
        let (echo, folder) = (try await Server.echo(), try Self.folder())
        let server = try await Self.server("", to: echo.port, in: folder)
        let client = try await Self.client("", to: server.port("in"), in: folder)
        let wire = try await Wire.connect(to: client.address("door"))
        try await wire.send(ByteBuffer(string: "hello"))
        _ = try await wire.read(5)
        let path = "\(folder.path)/server.yaml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        folder.write("server.yaml", text.replacing("type: vproxy,", with: "type: vproxy, key: both.key,"))
        server.program.signal(SIGHUP)
        #expect(await server.program.errors.line(with: "session ended inbound=in") != nil)
        try await wire.send(ByteBuffer(string: "hello"))
        let line = try #require(await server.program.errors.line(with: "stranger turned away"))
        #expect(line.contains("it speaks KCP without a key"))
        wire.close()
        await client.crash()
        await server.stop()
        try await echo.stop()
    }

    @Test("strangers' datagrams get no answer, and hurt nobody") func strangers() async throws {
        let (far, folder) = (try await Server.exchange(), try Self.folder())
        let server = try await Self.server(", key: server.key, clients: client.pub", to: far.port, in: folder)
        let client = try await Self.client(
            ", key: client.key, serverKey: server.pub", to: server.port("in"), in: folder)
        let stranger = try await DatagramStranger.start()
        var random = SeededRandom(7)
        for turn in 0..<400 {
            // Any bytes, and those that begin like a datagram of ours with the length of one.
            let length = [Int.random(in: 0...1400, using: &random), 162, 74, 49, 29][turn % 5]
            var bytes = random.bytes(length)
            if length > 0, turn % 2 == 0 { bytes.setInteger(UInt8(0x11 + turn / 2 % 4), at: 0) }
            try await stranger.send(bytes, to: server.port("in"))
            guard turn % 20 == 0 else { continue }
            #expect(
                try await Exchange.run(UInt64(turn), over: Wire.connect(to: client.address("door"))) == nil)
        }
        #expect(stranger.answers == 0)
        await client.stop()
        await server.stop()
        try await stranger.stop()
        try await far.stop()
    }

    @Test("WebSocks over KCP with a key") func webSocks() async throws {
        let (far, folder) = (try await Server.exchange(), try Self.folder())
        folder.write("alice.pw", "hunter2\n")
        let server = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - name: in
                    type: websocks
                    carrier: kcp
                    key: both.key
                    listen: "127.0.0.1:0"
                    users: { alice: { passwordFile: alice.pw } }
                egress: { allow: [loopback] }
                """, in: folder, name: "server")
        let relay = try await DatagramRelay.start(to: server.port("in"))
        let client = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: mixed, type: mixed, listen: "127.0.0.1:0", to: far }]
                outbounds:
                  - name: far
                    type: websocks
                    carrier: kcp
                    key: both.key
                    server: "127.0.0.1:\(relay.port)"
                    user: alice
                    passwordFile: alice.pw
                """, in: folder, name: "client")
        for seed in UInt64(0)..<10 {
            #expect(try await Exchange.run(seed, over: Wire.socks5(client.address("mixed"), to: far.port)) == nil)
        }
        #expect(relay.firstBytes == [0x11, 0x14])
        await client.stop()
        await server.stop()
        try await relay.stop()
        try await far.stop()
    }
}
