// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenAssembly
import WarrenConfiguration

@Suite("help config") struct ConfigurationHelpTests {
    @Test("every key that a reader asks for has a description") func described() {
        for help in ConfigurationHelp.all {
            for key in help.keys {
                #expect(help.purpose(of: key.name) != nil, "\(help.type) \(help.role.rawValue): \(key.name)")
            }
        }
    }

    @Test("no description is left over") func leftOver() {
        let all = ConfigurationHelp.all
        let asked = Set(all.flatMap(\.keys).map(\.name))
        for key in KeyPurposes.shared.keys { #expect(asked.contains(key), "\(key)") }
        for (name, purposes) in KeyPurposes.own {
            let help = all.first { "\($0.type) \($0.role.rawValue)" == name }
            let keys = Set(help?.keys.map(\.name) ?? [])
            for key in purposes.keys { #expect(keys.contains(key), "\(name): \(key)") }
        }
    }

    @Test("defaults and needs are those of the reader") func defaults() throws {
        let text = try #require(ConfigurationHelp.text(of: "jproxy"))
        #expect(text.contains("default: 64MiB"))
        #expect(text.contains("default: deployed"))
        #expect(text.contains("default: auto"))
        #expect(text.contains("default: 5s"))
        #expect(text.contains("jproxy outbound"))
        let socks = try #require(ConfigurationHelp.text(of: "socks5"))
        #expect(socks.contains("an address to listen on such as 127.0.0.1:1080; required"))
        #expect(ConfigurationHelp.text(of: "nosuch") == nil)
    }
}
