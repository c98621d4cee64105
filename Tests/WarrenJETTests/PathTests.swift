// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenJET

/// Paths are compared segment by segment, without their query.
@Suite("JET paths")
struct PathTests {
    @Test(
        "health is asked for by two paths",
        arguments: [
            "/health", "/jet/health", "/health/", "/health?x=/y", "/jet/health?", "http://relay.example:80/health",
            "HTTPS://relay.example/jet/health?x",
        ])
    func health(target: String) { #expect(JET.Path(target).asksHealth) }

    @Test(
        "and by no other",
        arguments: [
            "/jet/association/x?/health", "/jet/association/x/candidates?/jet/health", "/x/health", "/health/x",
            "//health", "/healthy", "health", "/jet/../health", "/%68ealth", "?/health", "/?/health", "", "/",
            "http://relay.example", "http://health", "http://x?/health", "/http://x/health", "ftp://x/health",
        ])
    func notHealth(target: String) { #expect(!JET.Path(target).asksHealth) }

    @Test(
        "what comes before is taken off in whole segments",
        arguments: [
            ("/tunnel/jet/accept/a/c?q", "/tunnel", "/jet/accept/a/c?q"), ("/tunnel", "/tunnel", "/"),
            ("/tunnel?q=1", "/tunnel", "/?q=1"), ("/a/b/health", "/a/b", "/health"), ("/health", "", "/health"),
            ("http://h/tunnel/health", "/tunnel", "/health"), ("/tunnels/health", "/tunnel", nil),
            ("/health", "/tunnel", nil), ("/x?/tunnel/health", "/tunnel", nil), ("", "/tunnel", nil),
        ] as [(String, String, String?)])
    func prefix(target: String, prefix: String, rest: String?) {
        #expect(JET.Path(target).below(prefix)?.text == rest)
    }

    @Test(
        arguments: [
            ("/jet/accept/a/c", .accept), ("/JET/Connect/a", .connect), ("/jet/test", .test), ("/jet/test?x", .test),
            ("/jet/acceptable/a/c", nil), ("/x/jet/accept/a/c", nil), ("/accept", nil), ("/?/jet/accept/a/c", nil),
        ] as [(String, JET.Request.Kind?)])
    func kinds(target: String, kind: JET.Request.Kind?) { #expect(JET.Path(target).kind == kind) }

    @Test("a call whose query looks like another path is what its path says") func queriesAreNoPaths() throws {
        var machine = JET.RelayMachine(JET.RelayConfiguration(instance: "relay.example"))
        let call = JET.Call(method: "POST", path: "/jet/association/\(UUIDs.one)?/health")
        #expect(machine.call(call, now: .uptimeNanoseconds(1)).status == 200)
        #expect(!machine.isEmpty)
        let health = JET.Call(method: "GET", path: "/health?/jet/association")
        #expect(machine.call(health, now: .uptimeNanoseconds(1)).body.contains("healthy"))
        let other = JET.Call(method: "GET", path: "/jet/association?/health")
        #expect(machine.call(other, now: .uptimeNanoseconds(1)).status == 403)
    }

    private enum UUIDs { static let one = "e6ec698c-5793-4c63-af79-bd644ccf022f" }
}
