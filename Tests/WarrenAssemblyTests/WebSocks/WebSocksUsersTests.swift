// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenRuntime
import WarrenWebSocks

@testable import WarrenAssembly

@Suite struct WebSocksUsersTests {
    private static let minute: Int64 = 1_795_245_060_000
    private static let users = ["alice": "pasSw0rD"]

    private static func claim(_ minute: Int64, password: String = "pasSw0rD") -> Claim {
        let secret = WebSocks.Digest.secret(password: password)
        return Claim(identity: Array("alice".utf8), proof: WebSocks.Digest.digest(secret: secret, minute: minute))
    }

    @Test("a login is good where it came from first, or anywhere", arguments: WebSocksUsers.Logins.allCases)
    func logins(logins: WebSocksUsers.Logins) async throws {
        let users = WebSocksUsers(Self.users, logins) { Self.minute }
        let (first, other) = (
            try SocketAddress(ipAddress: "192.0.2.1", port: 1), try SocketAddress(ipAddress: "192.0.2.2", port: 1)
        )
        let yes = Verdict.accepted(name: "alice")
        let elsewhere = logins == .anywhere ? yes : .denied
        let claim = Self.claim(Self.minute)
        // Whoever does not know the password takes the place of nobody.
        #expect(await users.judge(Self.claim(Self.minute, password: "wrong"), from: other) == .denied)
        for _ in 0..<3 { #expect(await users.judge(claim, from: first) == yes) }
        #expect(await users.judge(claim, from: other) == elsewhere)
        #expect(await users.judge(claim, from: try SocketAddress(ipAddress: "192.0.2.1", port: 2)) == yes)
        #expect(await users.judge(claim, from: nil) == elsewhere)
        // The next minute's login is another one.
        #expect(await users.judge(Self.claim(Self.minute + 60_000), from: other) == yes)
    }

    @Test func whoHasTheSamePasswordIsLetInAfterAReload() {
        let before = WebSocksUsers(["alice": "pasSw0rD", "bob": "x", "eve": "y"], .anywhere)
        let after = WebSocksUsers(["alice": "pasSw0rD", "bob": "z"], .anywhere)
        #expect(
            ["alice", "bob", "eve", "carol"].map { after.admits($0, letInBy: before) } == [true, false, false, false])
        #expect(!after.admits(nil, letInBy: before))
        #expect(!after.admits("alice", letInBy: NoAuthenticator()))
        #expect(!NoAuthenticator().admits("alice", letInBy: before))
        let strict = WebSocksUsers(["alice": "pasSw0rD"], .oneAddress)
        #expect(!strict.admits("alice", letInBy: before) && before.admits("alice", letInBy: strict))
        #expect(strict.admits("alice", letInBy: strict))
    }
}
