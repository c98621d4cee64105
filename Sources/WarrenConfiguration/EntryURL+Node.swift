// SPDX-License-Identifier: Apache-2.0

extension EntryURL {
    /// A key and its values, or the keys under it.
    private struct Tree {
        var values: [ConfigNode] = []
        var children: [(key: String, place: Place, tree: Tree)] = []

        mutating func insert(_ keys: ArraySlice<String>, _ value: ConfigNode) {
            guard let key = keys.first else { return self.values.append(value) }
            let camel = CamelCase.from(key)
            let index = self.children.firstIndex { CamelCase.from($0.key) == camel } ?? self.children.endIndex
            if index == self.children.endIndex { self.children.append((key, value.place, Tree())) }
            self.children[index].tree.insert(keys.dropFirst(), value)
        }

        /// Children win over `true`, so that `+tls` and `tls.ca=…` go together; a repeated key is a list.
        func node(at place: Place, findings: Findings) -> ConfigNode {
            if self.children.isEmpty {
                let isOne = self.values.dropFirst().allSatisfy { $0.content == self.values.first?.content }
                if let value = self.values.first, isOne { return value }
                return ConfigNode(.list(self.values), at: place)
            }
            let isTrue = ConfigNode.Content.scalar(.init("true", isQuoted: true))
            if let value = self.values.first(where: { $0.content != isTrue }) {
                findings.report("this is given both as a value and with keys under it", at: value.place)
            }
            let pairs = self.children.map { key, place, tree in
                ConfigNode.Pair(key, at: place, tree.node(at: place, findings: findings))
            }
            return ConfigNode(.map(pairs), at: place)
        }
    }

    /// The entry as a map, as if it stood in a file.
    ///
    /// - Parameters:
    ///   - type: nil if it is unknown; authority and path are left out then.
    ///   - keys: further keys with their values.
    ///   - label: names the argument, position orders it.
    func node(_ type: EntryType?, keys: [Item], label: String, position: Int, findings: Findings) -> ConfigNode {
        let whole = Place(argument: label, position: position)
        var tree = Tree()
        var given: [Item] = [Item(key: "type", value: self.type)] + keys
        given += self.options.filter { $0 == "tls" }.map { Item(key: $0, value: "true") }
        if let type {
            let parts = [(self.authority, type.authority, "host and port"), (self.path, type.path, "path")]
            for (value, key, what) in parts where !value.isEmpty {
                guard let key else {
                    let what = "the type \(quoted(self.type).dropFirst().dropLast()) takes no \(what) in its URL"
                    findings.report(what, at: whole, hint: "use keys in the query")
                    continue
                }
                given.append(Item(key: key, value: value))
            }
        }
        for item in given {
            tree.insert([item.key], ConfigNode(.scalar(.init(item.value, isQuoted: true)), at: whole))
        }
        let fixed = Set(given.map(\.key)).subtracting(["tls"])
        for item in self.items {
            let place = Place(argument: "\(label) \(Self.shownKey(item.key))", position: position)
            guard !fixed.contains(CamelCase.from(item.key)) else {
                let what = "the key \(quoted(item.key)) is already given by the rest of the URL"
                findings.report(what, at: place, hint: "remove it from the query")
                continue
            }
            let keys = item.key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard keys.count <= 8, !keys.contains("") else {
                findings.report(
                    "\(quoted(item.key)) is not a key", at: place, hint: "write key=value, or block.key=value")
                continue
            }
            let parent = keys.dropLast().last
            let isSecret = SecretKeys.hide(keys.last ?? "", under: parent)
            let scalar = ConfigNode.Scalar(item.value, isQuoted: true, isSecret: isSecret)
            tree.insert(keys[...], ConfigNode(.scalar(scalar), at: place))
        }
        return tree.node(at: whole, findings: findings)
    }

    private static func shownKey(_ key: String) -> String { String(quoted(key).dropFirst().dropLast()) }
}
