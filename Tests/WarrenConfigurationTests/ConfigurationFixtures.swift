// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import WarrenConfiguration

/// The types of the program, as the assembly passes them in.
let knownTypes = EntryTypes(
    inbounds: [
        EntryType("mixed", authority: "listen"), EntryType("socks5", authority: "listen"),
        EntryType("http", authority: "listen"), EntryType("forward", authority: "listen", path: "target"),
        EntryType("jproxy", authority: "listen"), EntryType("zhwkprox", authority: "dial"),
        EntryType("jet", authority: "relay"),
    ],
    outbounds: [
        EntryType("direct", authority: nil), EntryType("socks5", authority: "server"),
        EntryType("http", authority: "server"), EntryType("jproxy", authority: "server"),
        EntryType("jet", authority: "relay"),
    ],
    relays: [EntryType("jet", authority: "listen"), EntryType("pair", authority: "listen")]
)

func noEnvironment(_: String) -> String? { nil }

/// A section read from YAML text called `a.yaml`.
func makeSection(_ yaml: String, folder: String = "", environment: [String: String] = [:]) -> Section {
    let findings = Findings()
    let node = ConfigNode.read(yaml: yaml, file: "a.yaml", environment: { environment[$0] }, findings: findings)
    let place = Place(file: "a.yaml", line: 1, column: 1)
    return Section(node ?? ConfigNode(.map([]), at: place), folder: folder, findings: findings)
}

func makeConfiguration(_ yaml: String, environment: [String: String] = [:]) -> (Configuration, Findings) {
    let findings = Findings()
    let configuration = Configuration(
        yaml: yaml, name: "a.yaml", types: knownTypes, environment: { environment[$0] }, findings: findings
    )
    return (configuration, findings)
}

func makeConfiguration(listen: [String], forward: String...) -> (Configuration, Findings) {
    let findings = Findings()
    let configuration = Configuration(listen: listen, forward: forward, types: knownTypes, findings: findings)
    return (configuration, findings)
}

extension Findings {
    /// All problems as they print.
    var lines: [String] { self.problems.map(\.description) }
}
