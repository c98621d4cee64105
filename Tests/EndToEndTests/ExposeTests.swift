// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// `warren expose` as a real process: its word on standard output is true, or it ends.
@Suite(.timeLimit(.minutes(2))) struct ExposeTests {
    private static func expose(
        _ name: String, at port: Int, as token: String, of relay: PublicRelay, at place: Int, _ more: [String] = []
    ) throws -> Program {
        try Program.start(
            WarrenProcess.executable,
            [
                "expose", name, "127.0.0.1:\(port)", "--relay", "ws://127.0.0.1:\(place)", "--token-file",
                "\(token).token",
            ] + more, in: relay.folder.path)
    }

    @Test(
        "the address is printed when the name is served, and once although the tunnel is made again",
        arguments: [("", []), (", extension: off", []), ("", ["--dialect", "v1-go"])])
    func isServed(keys: String, more: [String]) async throws {
        let relay = try await PublicRelay.start(keys: keys)
        let page = try await Server.page("hello")
        try await relay.token("dev", "--name", "dev.test", "--port", "\(relay.raw)")
        let place = try relay.process.port("devices")
        let expose = try Self.expose("www.dev.test", at: page.port, as: "dev", of: relay, at: place, more)
        #expect(await expose.output(with: "https://www.dev.test") != nil)
        let answer = try await relay.ask("www.dev.test")
        #expect(answer.hasSuffix("hello"), "\(answer)")
        let port = try Self.expose("\(relay.raw)", at: page.port, as: "dev", of: relay, at: place, more)
        #expect(await port.output(with: "127.0.0.1:\(relay.raw)") != nil)
        await relay.process.stop()
        #expect(await expose.errors.line(with: "tunnel down; trying again") != nil)
        for program in [expose, port] {
            program.signal(SIGTERM)
            let outcome = await program.outcome()
            #expect(outcome.code == 0 && outcome.output.split(separator: "\n").count == 1, "\(outcome)")
        }
    }

    @Test("what the relay does not serve is one sentence, an exit code and no address")
    func isRefused() async throws {
        let relay = try await PublicRelay.start(keys: ", duplicates: reject")
        relay.folder.write("other", "a secret of another relay, and not of this one\n")
        try await relay.token("dev", "--name", "dev.test", "--name", "two.test", "--port", "\(relay.raw)")
        try await relay.token("taken", "--name", "dev.test", "--subject", "somebody else")
        try await relay.token("port", "--port", "\(relay.raw)", "--subject", "somebody else")
        try await relay.token("closed", "--port", "1")
        try await relay.token("foreign", secret: "other", "--name", "dev.test")
        let place = try relay.process.port("devices")
        let first = try Self.expose("two.test", at: 1, as: "dev", of: relay, at: place)
        #expect(await first.output(with: "https://two.test") != nil)
        let cases = [
            ("other.test", "dev", "only port \(relay.raw), dev.test, two.test to this token, and not other.test"),
            ("1", "dev", "and not port 1; use a token for it (warren token mproxy --port 1)"),
            ("dev.test", "taken", "another device has it"),
            (
                "\(relay.raw)", "port",
                "none of its ports is free, E_PORT_TAKEN; another device has it, or another program"
            ),
            ("1", "closed", "this relay opens none of its ports, E_PORT_CLOSED; name it in ports: of the relay"),
            ("dev.test", "foreign", "invalid token, E_INVALID_TOKEN; the token is of another secret, or has expired"),
        ]
        for (name, token, words) in cases {
            let outcome = try await Self.expose(name, at: 1, as: token, of: relay, at: place).outcome()
            #expect(outcome.code == 2 && outcome.output.isEmpty, "\(name), \(token): \(outcome)")
            let said = outcome.errors.split(separator: "\n")
            #expect(said.count == 1 && said.last?.contains(words) == true, "\(name), \(token): \(outcome.errors)")
        }
        first.signal(SIGTERM)
        #expect(await first.outcome().code == 0)
        await relay.process.stop()
    }

    @Test("a port that another program on the relay's machine has is refused, and told of in the log")
    func anotherProgram() async throws {
        let other = try await Server.page("other")
        let relay = try await PublicRelay.start { _, _ in PublicRelay.yaml(other.port) }
        try await relay.token("dev", "--name", "dev.test", "--port", "\(other.port)")
        try await relay.token("port", "--port", "\(other.port)")
        let place = try relay.process.port("devices")
        let cases = [
            ("port", "none of its ports is free, E_PORT_TAKEN; another device has it, or another program"),
            ("dev", "only dev.test to this token, and not port \(other.port)"),
        ]
        for (token, words) in cases {
            let outcome = try await Self.expose("\(other.port)", at: 1, as: token, of: relay, at: place).outcome()
            #expect(outcome.code == 2 && outcome.output.isEmpty && outcome.errors.contains(words), "\(outcome)")
        }
        let line = "may have port \(other.port), which cannot be opened: the port is in use"
        #expect(await relay.process.program.errors.line(with: line, number: 2) != nil)
        await relay.process.stop()
        try await other.stop()
    }
}
