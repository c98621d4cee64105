// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore
import WarrenRuntime

@testable import WarrenAssembly

private func claim(_ name: String, _ password: String) -> Claim {
    Claim(identity: Array(name.utf8), proof: Array(password.utf8))
}

@Suite struct PasswordsTests {
    private let passwords = Passwords([("alice", "secret"), ("bob", ""), ("größe", "ü")])

    @Test func whoHasTheSamePasswordIsLetInAfterAReload() {
        let after = Passwords([("alice", "secret"), ("bob", "now"), ("carol", "new")])
        let names = ["alice", "bob", "größe", "carol", "nobody"]
        #expect(names.map { after.admits($0, letInBy: self.passwords) } == [true, false, false, false, false])
        #expect(!after.admits(nil, letInBy: self.passwords) && !after.admits("alice", letInBy: NoAuthenticator()))
        #expect(self.passwords.admits("größe", letInBy: self.passwords))
    }

    @Test func acceptsTheRightPassword() async {
        #expect(await self.passwords.judge(claim("alice", "secret"), from: nil) == .accepted(name: "alice"))
        #expect(await self.passwords.judge(claim("größe", "ü"), from: nil) == .accepted(name: "größe"))
        #expect(await self.passwords.judge(claim("bob", ""), from: nil) == .accepted(name: "bob"))
    }

    @Test(
        "denies everything else",
        arguments: [
            ("alice", "Secret"), ("alice", ""), ("alice", "secret\0"), ("Alice", "secret"), ("bob", "secret"),
            ("nobody", ""), ("", ""), ("", "secret"),
        ]
    )
    func denies(name: String, password: String) async {
        #expect(await self.passwords.judge(claim(name, password), from: nil) == .denied)
    }

    @Test("takes names and passwords in ISO-8859-1 as well: clients differ, and no RFC says")
    func acceptsTheOtherEncoding() async {
        func latin1(_ text: String) -> [UInt8] { text.unicodeScalars.compactMap { UInt8(exactly: $0.value) } }
        let passwords = Passwords([("alice", "pässwörd"), ("größe", "ü"), ("Ã¼", "x"), ("ü", "y"), ("bob", "€ä")])
        for (name, password) in [("alice", "pässwörd"), ("größe", "ü"), ("ü", "y"), ("Ã¼", "x")] {
            let claim = Claim(identity: latin1(name), proof: latin1(password))
            #expect(await passwords.judge(claim, from: nil) == .accepted(name: name))
        }
        // The bytes of one name in one encoding are those of another one in the other: the password decides.
        #expect(await passwords.judge(claim("ü", "y"), from: nil) == .accepted(name: "ü"))
        #expect(await passwords.judge(claim("ü", "x"), from: nil) == .accepted(name: "Ã¼"))
        #expect(await passwords.judge(claim("ü", "z"), from: nil) == .denied)
        #expect(
            await passwords.judge(Claim(identity: Array("alice".utf8), proof: latin1("pässwörd!")), from: nil)
                == .denied)
        #expect(await passwords.judge(claim("bob", "€ä"), from: nil) == .accepted(name: "bob"))
        #expect(await passwords.judge(Claim(identity: Array("bob".utf8), proof: [0x80, 0xE4]), from: nil) == .denied)
    }

    @Test func deniesNamesThatAreNoText() async {
        #expect(await self.passwords.judge(Claim(identity: [0xFF, 0xFE], proof: []), from: nil) == .denied)
    }

    @Test func deniesEverybodyWhereThereAreNoUsers() async {
        #expect(await Passwords([]).judge(claim("", ""), from: nil) == .denied)
    }
}
