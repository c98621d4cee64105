// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: Curl.isThere, Comment(rawValue: Curl.absence)))
struct TransferTests {
    private static let size = 20_000_000

    @Test("curl fetches and sends 20 MB, every byte right", arguments: Way.allCases)
    func twentyMegabytes(way: Way) async throws {
        let web = try await Web.start()
        let site = try await Site.start(target: web.port)
        let file = "\(site.folder.path)/fetched"
        let down = try await Curl.run(["-o", file] + way.arguments(site, web, path: "\(Self.size)"))
        #expect(down.code == 0, "\(down.errors)")
        #expect(try contents(of: file).sha256 == Web.content(Self.size).sha256)
        let up = try await Curl.run(["-T", file] + way.arguments(site, web, path: "put"))
        #expect(up.code == 0, "\(up.errors)")
        #expect(up.output == Web.content(Self.size).sha256)
        await site.stop()
        try await web.stop()
    }

    @Test("a user who reads slowly loses nothing", arguments: Way.allCases)
    func slowReader(way: Way) async throws {
        let size = 6_000_000
        let web = try await Web.start()
        let site = try await Site.start(target: web.port)
        let file = "\(site.folder.path)/fetched"
        let slowly = ["--limit-rate", "1M", "-o", file]
        let outcome = try await Curl.run(slowly + way.arguments(site, web, path: "\(size)"))
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try contents(of: file).sha256 == Web.content(size).sha256)
        await site.stop()
        try await web.stop()
    }

    @Test("-L and -F alone make both ends of a tunnel")
    func urls() async throws {
        let web = try await Web.start()
        let folder = try Folder()
        #expect(try await WarrenProcess.run("keygen", "jproxy", "alice", "--out", folder.path).code == 0)
        let server = try await WarrenProcess.start(
            "-L", "jproxy://127.0.0.1:0?users=\(folder.path)/users", "--allow", "loopback"
        )
        let tunnel = try #require(server.listeners.values.first?.port)
        let client = try await WarrenProcess.start(
            "-L", "mixed://127.0.0.1:0", "-L", "forward://127.0.0.1:0/127.0.0.1:\(web.port)",
            "-F", "jproxy://127.0.0.1:\(tunnel)?key=\(folder.path)/key.dat"
        )
        #expect(client.listeners.count == 2)
        for (name, address) in client.listeners {
            let port = address.port ?? 0
            let isForward = name.contains("forward")
            let arguments =
                isForward ? ["http://127.0.0.1:\(port)/1000"] : ["-x", "socks5h://127.0.0.1:\(port)", web.url("1000")]
            let outcome = try await Curl.run(["-o", "\(folder.path)/\(name)"] + arguments)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try contents(of: "\(folder.path)/\(name)") == Web.content(1000))
        }
        #expect(await client.stop().code == 0)
        #expect(await server.stop().code == 0)
        try await web.stop()
    }

    @Test("what egress lets one user reach no other one reaches, by either protocol")
    func egressOfOneUser() async throws {
        let web = try await Web.start()
        let folder = try Folder()
        folder.write("pw", "open sesame\n")
        let warren = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - name: front
                    type: mixed
                    listen: 127.0.0.1:0
                    users: { alice: { passwordFile: pw }, bob: { passwordFile: pw }, carol: { passwordFile: pw } }
                egress:
                  allow: [public]
                  users: { bob: { allow: [loopback] }, carol: { allow: [loopback], deny: [loopback] } }
                """,
            in: folder
        )
        let port = try warren.port("front")
        func fetch(_ scheme: String, _ user: String) async throws -> Program.Outcome {
            try await Curl.run([
                "-o", "/dev/null", "-w", "%{http_code}", "-x", "\(scheme)://127.0.0.1:\(port)",
                "-U", "\(user):open sesame", web.url("10"),
            ])
        }
        for (user, isAllowed) in [("alice", false), ("bob", true), ("carol", false)] {
            #expect(try await fetch("socks5h", user).code == (isAllowed ? 0 : 97), "\(user)")
            #expect(try await fetch("http", user).output == (isAllowed ? "200" : "403"), "\(user)")
        }
        await warren.stop()
        try await web.stop()
    }

    @Test("users get in with their password and nobody else does")
    func users() async throws {
        let web = try await Web.start()
        let folder = try Folder()
        folder.write("alice.pw", "open sesame\n")
        let warren = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - name: front
                    type: mixed
                    listen: 127.0.0.1:0
                    users: { alice: { passwordFile: alice.pw } }
                egress: { allow: [loopback] }
                """,
            in: folder
        )
        let port = try warren.port("front")
        func fetch(_ scheme: String, _ user: String?, tunnel: Bool = false) async throws -> Program.Outcome {
            var arguments = [
                "-o", "/dev/null", "-w", "%{http_code} %{http_connect}", "-x", "\(scheme)://127.0.0.1:\(port)",
            ]
            if let user { arguments += ["-U", user] }
            if tunnel { arguments.append("-p") }
            return try await Curl.run(arguments + [web.url("10")])
        }
        #expect(try await fetch("socks5h", "alice:open sesame").code == 0)
        #expect(try await fetch("socks5h", "alice:wrong").code == 97)
        #expect(try await fetch("socks5h", "bob:open sesame").code == 97)
        #expect(try await fetch("socks5h", nil).code == 97)
        #expect(try await fetch("http", "alice:open sesame").output == "200 000")
        #expect(try await fetch("http", "alice:wrong").output == "407 000")
        #expect(try await fetch("http", nil).output == "407 000")
        #expect(try await fetch("http", "alice:open sesame", tunnel: true).output == "200 200")
        let refused = try await fetch("http", "alice:wrong", tunnel: true)
        #expect(refused.code == 56)
        #expect(refused.output == "000 407")
        await warren.stop()
        try await web.stop()
    }

    @Test(
        "what cannot be reached is said in the user's own protocol",
        arguments: [("mixed", nil), ("tunnelled", false), ("tunnelled", nil)]
    )
    func faults(front: String, extended: Bool?) async throws {
        let web = try await Web.start()
        let site = try await Site.start(target: web.port, extended: extended)
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let port = try site.client.port(front)
        func fetch(_ scheme: String, _ target: String) async throws -> Program.Outcome {
            try await Curl.run(
                ["-o", "/dev/null", "-w", "%{http_code}", "-x", "\(scheme)://127.0.0.1:\(port)", "http://\(target)/"]
            )
        }
        let refused = try await fetch("socks5h", "127.0.0.1:\(closed.number)")
        #expect(refused.code == 97)
        #expect(refused.errors.contains("(5)"), "\(refused.errors)")
        let unknown = try await fetch("socks5h", "nowhere.invalid")
        #expect(unknown.code == 97)
        #expect(unknown.errors.contains("(4)"), "\(unknown.errors)")
        let forbidden = try await fetch("socks5h", "192.168.0.1")
        #expect(forbidden.code == 97)
        // jProxy has no word for "not allowed", unless it is extended: its far end can only say that it failed.
        let hasWords = front == "mixed" || extended == nil
        #expect(forbidden.errors.contains(hasWords ? "(2)" : "(1)"), "\(forbidden.errors)")
        #expect(try await fetch("http", "127.0.0.1:\(closed.number)").output == "502")
        #expect(try await fetch("http", "nowhere.invalid").output == "502")
        #expect(try await fetch("http", "192.168.0.1").output == (hasWords ? "403" : "502"))
        #expect(try await fetch("socks4a", "127.0.0.1:\(closed.number)").code == 97)
        await site.stop()
        try await web.stop()
    }

    @Test("a new user gets in without a restart")
    func usersFolderReload() async throws {
        let web = try await Web.start()
        let site = try await Site.start(target: web.port)
        let other = try Folder()
        #expect(try await WarrenProcess.run("keygen", "jproxy", "bob", "--out", other.path).code == 0)
        let tunnel = try site.server.port("tunnel")
        let client = try await WarrenProcess.start(
            "-L", "mixed://127.0.0.1:0", "-F", "jproxy://127.0.0.1:\(tunnel)?key=\(other.path)/key.dat"
        )
        let port = try #require(client.listeners.values.first?.port)
        let fetch = ["-o", "/dev/null", "-x", "socks5h://127.0.0.1:\(port)", web.url("10")]
        #expect(try await Curl.run(fetch).code == 97)
        let users = try FileManager.default.contentsOfDirectory(atPath: "\(other.path)/users")
        let user = try #require(users.first)
        try FileManager.default.copyItem(
            atPath: "\(other.path)/users/\(user)", toPath: "\(site.folder.path)/users/\(user)"
        )
        #expect(await site.server.program.errors.line(with: "read changed files again") != nil)
        #expect(try await Curl.run(fetch).code == 0)
        await client.stop()
        await site.stop()
        try await web.stop()
    }
}
