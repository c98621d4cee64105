// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenConfiguration
import WarrenTesting

@testable import WarrenAssembly

@Suite struct ZhwkproXAssemblyTests {
    @Test func bothEndsAreGood() throws {
        let folder = try TemporaryFolder()
        folder.write("cert.pem", TestCertificates.certificate)
        folder.write("key.pem", TestCertificates.key)
        folder.write("secret", "samplekeytomatch\n")
        let (assembly, problems) = assemble(
            """
            inbounds:
              - { name: browser, type: mixed, listen: "127.0.0.1:0", to: shared }
              - { name: other, type: socks5, listen: "127.0.0.1:0", to: own }
              - { name: a, type: zhwkprox, dial: localhost, idle: 30s, strict: true, secretKeyFile: secret, iv: "0123456789abcdef" }
              - { name: b, type: zhwkprox, dial: ["localhost:1", "tls://localhost:2"], dialect: document, extension: off }
            outbounds:
              - { name: shared, type: zhwkprox, sharedWith: browser, exits: pool, allow: [10.0.0.0/8, loopback], resolve: local }
              - { name: own, type: zhwkprox, listen: "127.0.0.1:0", tls: { cert: cert.pem, key: key.pem }, wait: 5s }
            """,
            in: folder.path
        )
        #expect(problems == [])
        #expect(assembly?.warnings == [])
    }

    @Test(
        "what cannot work is named",
        arguments: [
            ("type: zhwkprox", "the key \"listen\" is missing"),
            ("type: zhwkprox, sharedWith: nobody", "there is no inbound \"nobody\""),
            ("type: zhwkprox, sharedWith: elsewhere", "cannot share its port"),
            ("type: zhwkprox, sharedWith: a, listen: \":1\"", "the port is that of another inbound"),
            ("type: zhwkprox, listen: \":1\", exits: all", "is not one of newest, first, pool"),
            ("type: zhwkprox, listen: \":1\", allow: [example.net]", "does not name addresses alone"),
            ("type: zhwkprox, listen: \":1\", iv: short", "does not have 16 bytes"),
            ("type: zhwkprox, listen: \":1\", secretKey: samplekeytomatch", "a secret does not belong here"),
            ("type: zhwkprox, listen: \":1\", extension: maybe", "is not one of on, off"),
        ])
    func problems(keys: String, sentence: String) {
        let (_, problems) = assemble(
            """
            inbounds:
              - { name: a, type: mixed, listen: "127.0.0.1:0", to: far }
              - { name: elsewhere, type: mixed, listen: "127.0.0.1:0" }
            outbounds: [{ name: far, \(keys) }]
            """)
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.contains(sentence) == true, "\(problems)")
    }

    @Test func aKeyOfAnotherLengthIsNamed() throws {
        let folder = try TemporaryFolder()
        folder.write("secret", "too short\n")
        let (_, problems) = assemble(
            "inbounds: [{ type: zhwkprox, dial: \"localhost:1\", secretKeyFile: secret }]", in: folder.path)
        #expect(problems.count == 1 && problems.first?.contains("the key does not have 16 bytes") == true)
    }

    @Test func strangersAreWarnedOf() {
        let (assembly, _) = assemble(
            """
            inbounds:
              - { name: browser, type: mixed, listen: "127.0.0.1:0", to: far }
              - { name: exit, type: zhwkprox, dial: inter.example.net }
            outbounds: [{ name: far, type: zhwkprox, listen: ":1992" }]
            """)
        let warnings = assembly?.warnings.map(\.what) ?? []
        #expect(warnings.contains { $0.hasPrefix("far (zhwkprox) listens on :1992 without TLS") })
        #expect(warnings.contains { $0.hasPrefix("exit (zhwkprox) dials inter.example.net:1992 without TLS") })
        #expect(warnings.contains { $0.contains("whoever reaches the port of the exits may become one") })
    }
}
