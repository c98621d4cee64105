// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

/// What a person reads when it does not work: of the running program.
@Suite(.timeLimit(.minutes(2))) struct MessageTests {
    @Test(
        "the line of a stream that egress refuses says whose it is and which rule is missing or refused it",
        .enabled(if: Curl.isThere, Comment(rawValue: Curl.absence)))
    func egress() async throws {
        let folder = try Folder()
        folder.write("pw", "secret\n")
        let warren = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: office, type: mixed, listen: "127.0.0.1:0", users: { alice: { passwordFile: pw } } }]
                egress: { allow: [public, 10.1.0.0/16], deny: [10.1.2.0/24] }
                """, in: folder)
        let proxy = "socks5h://alice:secret@127.0.0.1:\(try warren.port("office"))"
        #expect(try await Curl.run(["-x", proxy, "http://10.1.2.3/"]).code == 97)
        #expect(try await Curl.run(["-x", proxy, "http://169.254.169.254/"]).code == 97)
        let denied = try #require(await warren.program.errors.line(with: "destination=10.1.2.3:80"))
        #expect(denied.contains(" info stream inbound=office protocol=socks5 "))
        #expect(denied.contains(" user=alice "))
        #expect(denied.hasSuffix("reason=\"not allowed: 10.1.2.3:80 is denied by the rule 10.1.2.0/24\""))
        let metadata = try #require(await warren.program.errors.line(with: "destination=169.254.169.254:80"))
        #expect(metadata.contains(" info stream inbound=office "))
        #expect(metadata.contains("169.254.169.254:80 is cloud metadata, which no allow rule names\""))
        // One line each, and no other one tells of it.
        let outcome = await warren.stop()
        #expect(outcome.errors.split(separator: "\n").count { $0.contains("not allowed") } == 2)
    }

    @Test("a connect that fails in a way without a word of ours is told in the system's") func oddity() async throws {
        // A link-local address without its interface.
        let outcome = try await WarrenProcess.run("jet", "connect", "[fe80::1]:8080", JETPacket.anybody())
        #expect(outcome.code == 2)
        #expect(
            outcome.errors.contains(/reason="cannot connect: [A-Z][A-Za-z ]+ \(error [0-9]+\)"/), "\(outcome.errors)")
    }

    @Test("the warning that a relay is reached without TLS is one short line that names the relay") func withoutTLS()
        async throws
    {
        let outcome = try await WarrenProcess.run("jet", "connect", "255.255.255.255", JETPacket.anybody())
        let lines = outcome.errors.split(separator: "\n").filter { $0.contains(" warning ") }
        #expect(lines.count == 1)
        #expect(lines.first?.contains(" warning RELAY: 255.255.255.255:8080 is reached without TLS") == true)
        #expect(lines.allSatisfy { $0.count < 180 && !$0.contains("outbound") && !$0.contains("far") })
        #expect(outcome.errors.contains("the relay cannot be reached"))
    }

    @Test("jet accept prints the command for the other side, which works as it stands") func otherSide() async throws {
        let relay = try await MeetingRelay.start()
        let place = "127.0.0.1:\(try relay.port)"
        let far = try Program.start(WarrenProcess.executable, ["jet", "accept", place])
        let line = try #require(await far.errors.line(with: "on the other side: "))
        let words = line.replacing("on the other side: ", with: "").split(separator: " ").map(String.init)
        #expect(words.prefix(4) == ["warren", "jet", "connect", place])
        let near = try await Program.run(WarrenProcess.executable, Array(words.dropFirst()))
        #expect(near.code == 0)
        #expect(await far.outcome().code == 0)
        await relay.stop()
    }

    @Test(
        "a server that shuts down has closed the tunnel, and a stream toward no exit lost none",
        .enabled(if: Curl.isThere, Comment(rawValue: Curl.absence)))
    func ends() async throws {
        let folder = try Folder()
        #expect(try await WarrenProcess.run("keygen", "jproxy", "alice", "--out", folder.path).code == 0)
        let server = try await WarrenProcess.start(
            "-L", "jproxy://127.0.0.1:0?users=\(folder.path)/users&name=office", in: folder.path)
        let client = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: browser, type: mixed, listen: "127.0.0.1:0", to: office }
                  - { name: users, type: mixed, listen: "127.0.0.1:0", to: exit }
                outbounds:
                  - { name: office, type: jproxy, server: "127.0.0.1:\(try server.port("office"))", key: key.dat }
                  - { name: exit, type: zhwkprox, listen: "127.0.0.1:0" }
                """, in: folder, name: "client")
        _ = await client.program.errors.line(with: "tunnel up")
        await server.stop()
        let down = try #require(await client.program.errors.line(with: "tunnel down; trying again"))
        #expect(down.contains("reason=\"closed by the peer\""))
        let port = try client.port("users")
        #expect(try await Curl.run(["-x", "socks5h://127.0.0.1:\(port)", "http://192.0.2.1/"]).code == 97)
        let line = try #require(await client.program.errors.line(with: "stream inbound=users"))
        #expect(line.hasSuffix("reason=\"no exit is connected\""))
        #expect(!(await client.stop().errors.contains("tunnel lost")))
    }
}
