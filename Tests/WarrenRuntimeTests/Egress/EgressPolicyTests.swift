// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("Egress policy") struct EgressPolicyTests {
    static func policy(allow: [String], deny: [String] = []) throws -> EgressPolicy {
        EgressPolicy(allow: try allow.map { try EgressRule($0) }, deny: try deny.map { try EgressRule($0) })
    }

    static func allows(_ policy: EgressPolicy, _ address: String, _ port: UInt16 = 443, name: String? = nil) throws
        -> Bool
    {
        policy.judge(try #require(IPAddress(address)), port: port, name: name) == .allowed
    }

    @Test(
        "allows the public internet and nothing else when nothing is said",
        arguments: AddressClassTests.v4 + AddressClassTests.v6)
    func hasADefault(_ address: String, _ found: AddressClass) throws {
        #expect(try Self.allows(EgressPolicy(), address) == (found == .public))
    }

    @Test("everything is everything", arguments: AddressClassTests.v4 + AddressClassTests.v6)
    func allowsEverything(_ address: String, _ found: AddressClass) throws {
        #expect(try Self.allows(.everything, address))
    }

    @Test("private means no more than private", arguments: AddressClassTests.v4 + AddressClassTests.v6)
    func allowsPrivate(_ address: String, _ found: AddressClass) throws {
        #expect(try Self.allows(Self.policy(allow: ["private"]), address) == (found == .private))
    }

    @Test func allowsMetadataOnlyByItsAddress() throws {
        let policy = try Self.policy(allow: ["private", "169.254.169.254:80"])
        #expect(try Self.allows(policy, "169.254.169.254", 80))
        #expect(try Self.allows(policy, "::ffff:169.254.169.254", 80))
        #expect(try !Self.allows(policy, "169.254.169.254", 81))
        #expect(try !Self.allows(policy, "169.254.169.253", 80))
    }

    @Test func lookAtThePort() throws {
        let policy = try Self.policy(allow: ["public:443", "[2001:db8::/32]:22"], deny: ["8.8.8.8:443"])
        #expect(try Self.allows(policy, "1.1.1.1", 443))
        #expect(try !Self.allows(policy, "1.1.1.1", 80))
        #expect(try !Self.allows(policy, "8.8.8.8", 443))
        #expect(try Self.allows(policy, "2001:db8::1", 22))
        #expect(try !Self.allows(policy, "2001:db8::1", 443))
    }

    @Test func letsDenyWin() throws {
        let policy = try Self.policy(
            allow: ["public", "10.0.0.0/8"], deny: ["10.1.0.0/16", "evil.example", "*.evil.example"])
        #expect(try Self.allows(policy, "10.2.0.1"))
        #expect(try !Self.allows(policy, "10.1.0.1"))
        #expect(try !Self.allows(policy, "::ffff:10.1.0.1"))
        #expect(try !Self.allows(policy, "1.1.1.1", name: "EVIL.example."))
        #expect(try !Self.allows(policy, "1.1.1.1", name: "a.b.Evil.example"))
        #expect(try Self.allows(policy, "1.1.1.1", name: "notevil.example"))
    }

    @Test(
        "a wide IPv6 network does not reach IPv4",
        arguments: ["::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::", "::10.0.0.1"])
    func keepsFamiliesApart(_ address: String) throws {
        #expect(try !Self.allows(Self.policy(allow: ["::/0"]), address))
        #expect(try Self.allows(Self.policy(allow: ["10.0.0.0/8"]), address))
        #expect(try Self.allows(Self.policy(allow: [address]), address))
        #expect(try !Self.allows(Self.policy(allow: ["0.0.0.0/0"], deny: ["::/0"]), address))
        #expect(try !Self.allows(Self.policy(allow: ["0.0.0.0/0"], deny: ["private"]), address))
    }

    @Test func allowsWhatAPatternNames() throws {
        let policy = try Self.policy(allow: ["nas.home", "*.office.example:22"], deny: ["10.0.0.9"])
        #expect(try Self.allows(policy, "10.0.0.8", name: "NAS.home"))
        #expect(try Self.allows(policy, "10.0.0.8", name: "nas.home."))
        #expect(try !Self.allows(policy, "10.0.0.9", name: "nas.home"))
        #expect(try !Self.allows(policy, "10.0.0.8", name: nil))
        #expect(try !Self.allows(policy, "10.0.0.8", name: "x.nas.home"))
        #expect(try Self.allows(policy, "10.0.0.8", 22, name: "a.b.office.example"))
        #expect(try !Self.allows(policy, "10.0.0.8", 23, name: "a.office.example"))
        for name in ["office.example", ".office.example", "aoffice.example", "office.example.net", "", "."] {
            #expect(try !Self.allows(policy, "10.0.0.8", 22, name: name))
        }
    }

    @Test(
        "rules about a name hold for every form of it",
        arguments: [
            "bücher.example", "BÜCHER.example.", "xn--bcher-kva.example", "Xn--Bcher-KVA.Example.",
            "bu\u{308}cher.example",
        ])
    func comparesNamesInOneForm(name: String) throws {
        for rule in ["bücher.example", "xn--bcher-kva.example.", "*.EXAMPLE"] {
            #expect(try !Self.allows(Self.policy(allow: ["public"], deny: [rule]), "1.1.1.1", name: name))
            #expect(try Self.allows(Self.policy(allow: [rule]), "10.0.0.1", name: name))
        }
    }

    @Test func namesTheReason() throws {
        func refusal(_ policy: EgressPolicy, _ address: String) throws -> String {
            switch policy.judge(try #require(IPAddress(address)), port: 80, name: nil) {
            case .allowed: "allowed"
            case .refused(let refusal): refusal.description
            }
        }
        let policy = try Self.policy(allow: ["public"], deny: ["8.8.0.0/16:80"])
        #expect(try refusal(policy, "8.8.8.8") == "8.8.8.8:80 is denied by the rule 8.8.0.0/16:80")
        #expect(
            try refusal(policy, "169.254.169.254") == "169.254.169.254:80 is cloud metadata, which no allow rule names")
        #expect(try refusal(policy, "fe80::1") == "[fe80::1]:80 is link-local, which no allow rule names")
        #expect(
            try refusal(policy, "::ffff:10.0.0.1")
                == "[::ffff:10.0.0.1]:80 (it stands for 10.0.0.1) is private, which no allow rule names"
        )
        #expect(
            try refusal(Self.policy(allow: ["public:443"]), "1.1.1.1")
                == "1.1.1.1:80 is public, which no allow rule names"
        )
    }
}
