// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenAssembly
import WarrenConfiguration

@Suite("help config") struct ConfigurationHelpTests {
    @Test("every key that a reader asks for has a description") func described() {
        for help in ConfigurationHelp.all {
            #expect(help.purpose != nil, "\(help.title)")
            for key in help.keys { #expect(help.purpose(of: key.name) != nil, "\(help.title): \(key.name)") }
        }
    }

    @Test("every key says what may stand there") func expected() {
        for help in ConfigurationHelp.all {
            for key in help.keys { #expect(key.expected != nil, "\(help.title): \(key.name)") }
        }
    }

    @Test("no description is left over") func leftOver() {
        let all = ConfigurationHelp.all
        let asked = Set(all.filter { $0.role != nil }.flatMap(\.keys).map(\.name))
        for key in KeyPurposes.shared.keys { #expect(asked.contains(key), "\(key)") }
        for title in KeyPurposes.places.keys { #expect(all.contains { $0.title == title }, "\(title)") }
        for (title, purposes) in KeyPurposes.own {
            let keys = Set(all.first { $0.title == title }?.keys.map(\.name) ?? [])
            for key in purposes.keys { #expect(keys.contains(key), "\(title): \(key)") }
        }
        let defaults = Set(all.flatMap { help in help.keys.map { "\(help.title) \($0.name)" } })
        for key in KeyPurposes.usual.keys { #expect(defaults.contains(key), "\(key)") }
    }

    @Test("no two places have one title, and every block of a file is one of them") func titles() throws {
        let all = ConfigurationHelp.all
        #expect(Set(all.map(\.title)).count == all.count)
        let file = try #require(all.first { $0.title == "file" })
        let blocks = file.keys.filter { $0.expected?.contains("block") == true }.map(\.name)
        #expect(blocks.contains("egress") && blocks.contains("routes") && blocks.contains("inbounds"))
        for block in blocks { #expect(all.contains { $0.title == block }, "\(block)") }
        for help in all { #expect(!help.keys.isEmpty || help.word == "stdio", "\(help.title)") }
    }

    @Test("a type has nothing that all entries of its role have") func common() throws {
        for help in ConfigurationHelp.all {
            guard let role = help.role else { continue }
            let common = try #require(ConfigurationHelp.all.first { $0.title == "\(role.rawValue)s" })
            #expect(Set(common.keys.map(\.name)).isDisjoint(with: help.keys.map(\.name)), "\(help.title)")
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

    @Test("the blocks of the file are shown, and both kinds of limits") func blocks() throws {
        let limits = try #require(ConfigurationHelp.text(of: "limits"))
        #expect(limits.contains("limits: of the whole process"))
        #expect(limits.contains("default: 10000"))
        #expect(limits.contains("limits of an inbound"))
        #expect(limits.contains("perUser"))
        #expect(try #require(ConfigurationHelp.text(of: "file")).contains("a duration such as 10s; default: 10s"))
        #expect(try #require(ConfigurationHelp.text(of: "tls")).contains("only with key; required on what listens"))
        #expect(try #require(ConfigurationHelp.text(of: "routes")).contains("only with cidr"))
        #expect(try #require(ConfigurationHelp.text(of: "admin")).contains("unix:/path of a socket; required"))
    }

    @Test("docs/configuration.md has every table, as scripts/configuration.sh writes it") func page() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../..")
        let page = try String(contentsOf: root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        let renewed = ConfigurationPage.renewed(page)
        #expect(renewed.text == page, "run scripts/configuration.sh")
        let titles =
            ConfigurationHelp.all.filter { !$0.keys.isEmpty }.map(\.title) + Entry.Role.allCases.map(\.rawValue)
        #expect(renewed.titles.sorted() == titles.sorted())
    }

    @Test("a page keeps what stands around its tables, and what is no table of ours") func renewing() {
        let page = "a\n<!-- keys: admin -->\nold\n<!-- end -->\nb\n<!-- keys: nosuch -->\nc\n<!-- end -->\n"
        let (text, titles) = ConfigurationPage.renewed(page)
        #expect(titles == ["admin"])
        #expect(text.hasPrefix("a\n<!-- keys: admin -->\n| key | is | without it | means |\n|---|"))
        #expect(text.hasSuffix("|\n<!-- end -->\nb\n<!-- keys: nosuch -->\nc\n<!-- end -->\n"))
        #expect(!text.contains("old"))
        #expect(ConfigurationPage.renewed(text).text == text)
    }
}
