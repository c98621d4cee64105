// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore
import WarrenRuntime

@testable import Warren

private func claim(_ name: String, _ password: String) -> Claim {
    Claim(identity: Array(name.utf8), proof: Array(password.utf8))
}

@Suite struct PasswordsTests {
    private let passwords = Passwords([("alice", "secret"), ("bob", ""), ("größe", "ü")])

    @Test func acceptsTheRightPassword() async {
        #expect(await self.passwords.judge(claim("alice", "secret")) == .accepted(name: "alice"))
        #expect(await self.passwords.judge(claim("größe", "ü")) == .accepted(name: "größe"))
        #expect(await self.passwords.judge(claim("bob", "")) == .accepted(name: "bob"))
    }

    @Test(
        "denies everything else",
        arguments: [
            ("alice", "Secret"), ("alice", ""), ("alice", "secret\0"), ("Alice", "secret"), ("bob", "secret"),
            ("nobody", ""), ("", ""), ("", "secret"),
        ]
    )
    func denies(name: String, password: String) async {
        #expect(await self.passwords.judge(claim(name, password)) == .denied)
    }

    @Test func deniesNamesThatAreNoText() async {
        #expect(await self.passwords.judge(Claim(identity: [0xFF, 0xFE], proof: [])) == .denied)
    }

    @Test func deniesEverybodyWhereThereAreNoUsers() async {
        #expect(await Passwords([]).judge(claim("", "")) == .denied)
    }
}
