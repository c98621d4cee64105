// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import NIOCore
package import WarrenConfiguration
import WarrenLoop
import WarrenRuntime

/// Names an entry of a configuration among all.
package struct UnitKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let role: Entry.Role
    package let name: String

    init(_ entry: Entry) {
        self.role = entry.role
        self.name = entry.name
    }

    init(_ role: Entry.Role, _ name: String) {
        self.role = role
        self.name = name
    }

    package var description: String { "\(self.role.rawValue) \(self.name)" }

    package static func < (a: UnitKey, b: UnitKey) -> Bool { a.description < b.description }
}

/// A unit that is put together.
struct LiveUnit {
    let tag: UnitTag
    /// Equal where an entry of a new configuration is this one.
    let print: Fingerprint
    /// Equal where whoever was let in by another unit of the name would be let in here, as far as no judge decides.
    var admission = ""
    /// What drains when it goes.
    var parts: [any NodeComponent] = []
    /// For inbounds: whose streams they are.
    var sessions: InboundSessions?
    /// For outbounds.
    var outbound: (any WarrenRuntime.Outbound)?
    /// For inbounds: where their streams go, and by which rules.
    var target: StreamTarget?
    var way: WayPrint?
    /// For inbounds: what they and their users may use.
    var accounts: Accounts?
    var allowance: Accounts.Plan?
    /// For inbounds: the outbound of its own.
    var destination: String?
    var watched: [FileWatcher.Watched] = []
}

/// What decides whether a unit is the same in another configuration.
struct Fingerprint: Hashable {
    let type: String
    let keys: String
    let handshake: Int64
    let streams: Int
    /// What it is built on: the outbound on the way, or on the same port.
    var under: [ObjectIdentifier] = []
    /// What egress allows, where that is judged by what is built once.
    var egress: Configuration.Egress?
}

/// What decides whether streams of an inbound go the same ways.
struct WayPrint: Hashable {
    let rules: [RouteRule]
    let outbounds: [ObjectIdentifier]
    let egress: Configuration.Egress
}

extension Fingerprint {
    init(_ entry: Entry, _ limits: Configuration.Limits, without keys: Set<String>) {
        self.type = entry.type
        self.keys = entry.section.print(without: keys)
        self.handshake = limits.handshake.nanoseconds
        self.streams = limits.streamsPerSession
    }
}

extension Entry {
    /// What decides who is let in, without what a judge or the port itself is asked about.
    var admission: String {
        let kept: Set<String> = [
            "listen", "sharedWith", "carrier", "secretKey", "secretKeyFile", "iv", "allow",
        ]
        return "\(self.type) \(self.section.print(of: kept, within: ["tls": ["ca"]]))"
    }
}

extension Section {
    /// Files that are read once, with the configuration; the others are looked at again by themselves.
    private static let files: Set<String> = ["passwordFile", "secretKeyFile", "serverKey", "tokenFile"]

    /// Keys and values as one text, with what stands in the files that nothing else looks at.
    func print(without keys: Set<String>) -> String {
        self.print(of: ConfigNode(.map(self.pairs), at: self.place), without: keys)
    }

    /// The same for a few keys alone, and for blocks of which only some count.
    func print(of keys: Set<String>, within blocks: [String: Set<String>]) -> String {
        let parts = self.pairs.compactMap { pair -> String? in
            let key = CamelCase.from(pair.key)
            if keys.contains(key) { return "\(key):\(self.print(of: pair.value))\(self.contents(of: pair))" }
            guard let inner = blocks[key], case .map(let pairs) = pair.value.content else { return nil }
            let kept = pairs.filter { inner.contains(CamelCase.from($0.key)) }
            return "\(key):\(self.print(of: ConfigNode(.map(kept), at: pair.value.place)))"
        }
        return parts.sorted().joined(separator: ",")
    }

    private func print(of node: ConfigNode, without keys: Set<String> = []) -> String {
        switch node.content {
        case .scalar(let scalar): return "\"\(scalar.text.replacing("\"", with: "\"\""))\""
        case .list(let nodes): return "[" + nodes.map { self.print(of: $0) }.joined(separator: ",") + "]"
        case .broken: return "?"
        case .map(let pairs):
            // What somebody may use is no part of what it is.
            let parts = pairs.filter { !keys.contains($0.key) && $0.key != "limits" }.sorted { $0.key < $1.key }.map {
                pair in
                "\(pair.key):\(self.print(of: pair.value))\(self.contents(of: pair))"
            }
            return "{" + parts.joined(separator: ",") + "}"
        }
    }

    private func contents(of pair: ConfigNode.Pair) -> String {
        let key = CamelCase.from(pair.key)
        let isOwn = self.contains(key) && pair.value.place == self.place(of: key)
        if key == "clients", isOwn { return self.publicKeys(under: pair.value) }
        guard case .scalar(let scalar) = pair.value.content else { return "" }
        let isKeyFile = key == "key" && isOwn
        guard Self.files.contains(key) || isKeyFile else { return "" }
        let path = TextFile.path(scalar.text, in: self.folder)
        return Self.digest(path) ?? ""
    }

    private static func digest(_ path: String) -> String? {
        (try? NamedFile.read(path, limit: NamedFile.longestKey)).map { SHA256.hash(data: $0).description }
    }

    /// What is in the files of clients, in folders too.
    private func publicKeys(under node: ConfigNode) -> String {
        switch node.content {
        case .scalar(let scalar):
            let files = try? VProxyKeys.files(at: TextFile.path(scalar.text, in: self.folder))
            return (files ?? []).compactMap(Self.digest).joined(separator: ",")
        case .list(let nodes): return nodes.map { self.publicKeys(under: $0) }.joined(separator: ";")
        case .map, .broken: return ""
        }
    }
}
