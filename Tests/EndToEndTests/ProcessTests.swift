// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Testing

/// How the program behaves as a process: signals, descriptors, standard error.
@Suite(.timeLimit(.minutes(2))) struct ProcessTests {
    private static let front = """
        inbounds: [{ name: f, type: mixed, listen: "127.0.0.1:0" }]
        egress: { allow: [loopback] }
        drain: 3s
        """

    /// Starts the program from a shell line that ends with it.
    private func start(_ shell: String, _ yaml: String = Self.front, in folder: Folder) throws -> Program {
        let file = folder.write("warren.yaml", yaml)
        let script = "\(shell)\nexec '\(try WarrenProcess.executable.path)' run -c '\(file)'"
        return try Program.start(URL(filePath: "/bin/sh"), ["-c", script], in: folder.path)
    }

    private func port(_ line: String) throws -> Int {
        try #require(Int(line.split(separator: ":").last ?? ""))
    }

    private func echo(through front: Int, to port: Int) async throws {
        let wire = try await Wire.socks5(SocketAddress(ipAddress: "127.0.0.1", port: front), to: port)
        try await wire.send(ByteBuffer(string: "hello"))
        #expect(String(buffer: try await wire.read(5)) == "hello")
        wire.close()
    }

    @Test(
        "SIGHUP, SIGUSR1, SIGUSR2 and SIGPIPE end nothing, not even with nohup; SIGTERM ends it with 0",
        arguments: ["", "trap '' HUP"])
    func signals(shell: String) async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let program = try self.start(shell, in: folder)
        let front = try self.port(try #require(await program.errors.line(with: "ready ")))
        program.signal(SIGHUP)
        #expect(await program.errors.line(with: "configuration unchanged signal=SIGHUP") != nil)
        program.signal(SIGUSR1)
        #expect(await program.errors.line(with: "this signal and ignores it signal=SIGUSR1") != nil)
        program.signal(SIGUSR2)
        #expect(await program.errors.line(with: "this signal and ignores it signal=SIGUSR2") != nil)
        program.signal(SIGPIPE)
        try await self.echo(through: front, to: echo.port)
        program.signal(SIGTERM)
        #expect(await program.outcome().code == 0)
        try await echo.stop()
    }

    @Test("a tunnel that leads to a silent server holds up neither users of other inbounds nor SIGTERM")
    func stopsWhileItStarts() async throws {
        let echo = try await Server.echo()
        let silent = try await Server.start { $0.eventLoop.makeSucceededVoidFuture() }
        let folder = try Folder()
        #expect(try await WarrenProcess.run("keygen", "jproxy", "alice", "--out", folder.path).code == 0)
        let free = try await Server.freePort()
        let tunnels = (0..<3).map {
            "{ name: t\($0), type: jproxy, server: \"127.0.0.1:\(silent.port)\", key: \(folder.path)/key.dat }"
        }
        let program = try self.start(
            "",
            """
            log: { level: debug }
            inbounds:
              - { name: f, type: mixed, listen: "127.0.0.1:\(free)" }
              - { name: g, type: mixed, listen: "127.0.0.1:0", to: t0 }
            outbounds: [\(tunnels.joined(separator: ", "))]
            egress: { allow: [loopback] }
            """, in: folder)
        try await eventually("users are served") { (try? await self.echo(through: free, to: echo.port)) != nil }
        let begin = NIODeadline.now()
        program.signal(SIGTERM)
        let outcome = await program.outcome()
        #expect(outcome.code == 0)
        #expect(NIODeadline.now() - begin < .seconds(5))
        #expect(!outcome.errors.contains("ready"))
        try await silent.stop()
        try await echo.stop()
    }

    #if os(Linux)
    @Test(
        "closed standard descriptors lead to the null device, never to a socket",
        arguments: ["exec <&-", "exec >&-", "exec 2>&-", "exec <&- >&- 2>&-"])
    func closedDescriptors(shell: String) async throws {
        let echo = try await Server.echo()
        let free = try await Server.freePort()
        let folder = try Folder()
        let yaml = Self.front.replacing("127.0.0.1:0", with: "127.0.0.1:\(free)")
        let program = try self.start("echo $$ > pid\n\(shell)", yaml, in: folder)
        try await eventually("users are served") { (try? await self.echo(through: free, to: echo.port)) != nil }
        let pid = try String(contentsOfFile: "\(folder.path)/pid", encoding: .utf8).dropLast()
        for number in 0...2 {
            let place = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(number)")
            #expect(!place.hasPrefix("socket:") && !place.hasPrefix("anon_inode:"), "\(number) is \(place)")
        }
        program.signal(SIGTERM)
        #expect(await program.outcome().code == 0)
        try await echo.stop()
    }
    #endif

    @Test("the soft limit of descriptors is raised: more users than it allows are served")
    func raisesTheLimit() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let program = try self.start("ulimit -Sn 64", in: folder)
        let front = try self.port(try #require(await program.errors.line(with: "ready ")))
        var wires: [Wire] = []
        for _ in 0..<60 {
            wires.append(try await Wire.socks5(SocketAddress(ipAddress: "127.0.0.1", port: front), to: echo.port))
        }
        for wire in wires { wire.close() }
        program.signal(SIGTERM)
        _ = await program.outcome()
        try await echo.stop()
    }

    @Test("without descriptors users are told so by the protocol, once it is said, and what runs goes on")
    func runsOutOfDescriptors() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let program = try self.start("ulimit -n 128", in: folder)
        #expect(await program.errors.line(with: "limits.sessions is 10000, which takes about ") != nil)
        let front = try self.port(try #require(await program.errors.line(with: "ready ")))
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: front)
        let first = try await Wire.socks5(address, to: echo.port)
        var wires: [Wire] = []
        var refused = 0
        for _ in 0..<60 {
            let wire = try await Wire.connect(to: address)
            let request = "CONNECT 127.0.0.1:\(echo.port) HTTP/1.1\r\nHost: x\r\n\r\n"
            try await wire.send(ByteBuffer(string: request))
            let answer = String(buffer: try await wire.read(12))
            #expect(answer == "HTTP/1.1 200" || answer == "HTTP/1.1 503")
            if answer.hasSuffix("503") { refused += 1 }
            wires.append(wire)
        }
        #expect(refused > 0)
        #expect(wires.count - refused > 15)
        try await first.send(ByteBuffer(string: "hello"))
        #expect(String(buffer: try await first.read(5)) == "hello")
        #expect(await program.errors.line(with: "out of descriptors") != nil)
        for wire in wires + [first] { wire.close() }
        // As soon as the program has seen them go, there is room.
        try await eventually("users are served") { (try? await self.echo(through: front, to: echo.port)) != nil }
        program.signal(SIGTERM)
        let outcome = await program.outcome()
        let warnings = outcome.errors.split(separator: "\n").count { $0.contains("warning out of descriptors") }
        #expect(warnings == 1)
        try await echo.stop()
    }

    @Test("where a file takes no more, lines are lost whole and counted, streams go on, and later lines are whole")
    func fullFile() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let log = "\(folder.path)/log"
        let yaml = "log: { format: json }\n" + Self.front
        // Units of 512 or 1024 bytes, as the shell likes.
        let program = try self.start("trap '' XFSZ\nulimit -f 16\nexec 2> '\(log)'", yaml, in: folder)
        func reread() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
        try await eventually("it is ready") { reread().contains("\"ready\"") }
        let ready = try #require(reread().split(separator: "\n").first { $0.contains("\"ready\"") })
        let front = try #require(Int(ready.prefix { $0 != "}" }.split(separator: ":").last?.dropLast() ?? ""))
        for _ in 0..<150 { try await self.echo(through: front, to: echo.port) }
        #expect(reread().hasSuffix("\n"))
        try #require(truncate(log, 0) == 0)
        try await eventually("the loss is told") {
            try await self.echo(through: front, to: echo.port)
            return reread().contains("dropped")
        }
        program.signal(SIGTERM)
        _ = await program.outcome()
        let lines = reread().split(separator: "\n")
        #expect(lines.count > 2, "\(reread())")
        for line in lines {
            #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) != nil, "\(line)")
        }
        #expect(lines.contains { $0.contains("log lines dropped") })
        try await echo.stop()
    }
}
