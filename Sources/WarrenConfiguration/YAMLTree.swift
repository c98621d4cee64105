// SPDX-License-Identifier: Apache-2.0

import Yams

/// Turns the parser's nodes into a ``ConfigNode``: follows aliases, fills in the environment, finds repeated keys.
///
/// Nesting and the number of values are limited; past a limit one problem is reported and the rest is left out.
struct YAMLTree {
    /// A value with an anchor, and how many values it holds.
    private struct Anchored {
        let content: ConfigNode.Content
        let weight: Int
    }

    private let text: YAMLText
    private let file: String
    private let limits: ConfigNode.Limits
    private let findings: Findings
    private let environment: (String) -> String?
    private var anchors: [String: Anchored] = [:]
    private var count = 0
    private var isFull = false

    init(
        _ text: YAMLText,
        _ file: String,
        _ limits: ConfigNode.Limits,
        _ findings: Findings,
        _ environment: @escaping (String) -> String?
    ) {
        self.text = text
        self.file = file
        self.limits = limits
        self.findings = findings
        self.environment = environment
    }

    /// Never fails: what cannot be read becomes `.broken`.
    ///
    /// - Parameters:
    ///   - key: the one that the value stands under.
    ///   - isSecret: what stands there must not be shown.
    mutating func convert(_ node: Node, depth: Int = 0, under key: String? = nil, isSecret: Bool = false) -> ConfigNode
    {
        let place = self.place(of: node)
        guard self.spend(1, at: place) else { return ConfigNode(.broken, at: place) }
        guard depth <= self.limits.depth else {
            self.findings.report("this is nested more than \(self.limits.depth) levels deep", at: place)
            return ConfigNode(.broken, at: place)
        }
        let before = self.count
        let content: ConfigNode.Content
        switch node {
        case .scalar(let scalar):
            content = self.convert(
                scalar, at: place, isSecret: isSecret || (key == "users" && scalar.string.contains(":")))
        case .sequence(let sequence):
            var values: [ConfigNode] = []
            for value in sequence where !self.isFull {
                values.append(self.convert(value, depth: depth + 1, under: key, isSecret: isSecret))
            }
            content = .list(values)
        case .mapping(let mapping):
            content = .map(self.pairs(of: mapping, depth: depth, under: key))
        case .alias:
            content = .broken
        }
        if let anchor = node.anchor {
            self.anchors[anchor.rawValue] = Anchored(content: content, weight: self.count - before + 1)
        }
        return ConfigNode(content, at: place)
    }

    private mutating func convert(_ scalar: Node.Scalar, at place: Place, isSecret: Bool) -> ConfigNode.Content {
        let isPlain = scalar.style == .plain || scalar.style == .any
        let written = self.text.restored(scalar.string)
        if isPlain, scalar.string.unicodeScalars.first == YAMLText.star {
            return self.follow(written, at: place, isSecret: isSecret)
        }
        do throws(Refusal) {
            let filled = try Substitution.fill(written, from: self.environment)
            return .scalar(ConfigNode.Scalar(filled, written: written, isQuoted: !isPlain, isSecret: isSecret))
        } catch {
            let shown = isSecret && !Substitution.isVariable(written) ? "a text that is not shown" : quoted(written)
            self.findings.report("\(shown) \(error.what ?? "is not understood")", at: place, hint: error.hint)
            return .broken
        }
    }

    /// The value of an alias, `*name`.
    private mutating func follow(_ alias: String, at place: Place, isSecret: Bool) -> ConfigNode.Content {
        guard let anchored = self.anchors[String(alias.dropFirst())] else {
            self.findings.report(
                "\(isSecret ? "a text that is not shown" : quoted(alias)) starts with *, so YAML takes it for an alias, and no anchor before it has this name",
                at: place,
                hint: "put a value that starts with * in quotes"
            )
            return .broken
        }
        return self.spend(anchored.weight, at: place) ? anchored.content : .broken
    }

    private mutating func pairs(of mapping: Node.Mapping, depth: Int, under parent: String?) -> [ConfigNode.Pair] {
        var pairs: [ConfigNode.Pair] = []
        var first: [String: Place] = [:]
        for (keyNode, valueNode) in mapping {
            let place = self.place(of: keyNode)
            guard case .scalar(let scalar) = keyNode else {
                let hint = "put a value that starts with a bracket in quotes"
                self.findings.report("a key must be a word", at: place, hint: hint)
                continue
            }
            let key = self.text.restored(scalar.string)
            guard scalar.string.unicodeScalars.first != YAMLText.star || scalar.style != .plain, key != "<<" else {
                self.findings.report(
                    "\(quoted(key)) cannot be a key: aliases and merges are not for keys", at: place,
                    hint: "write the keys themselves")
                continue
            }
            guard self.spend(1, at: place) else { break }
            if let earlier = first[key] {
                let hint = "first in line \(earlier.line)"
                self.findings.report("the key \(quoted(key)) is given twice", at: place, hint: hint)
                continue
            }
            first[key] = place
            let isSecret = SecretKeys.hide(key, under: parent)
            let value = self.convert(valueNode, depth: depth + 1, under: key, isSecret: isSecret)
            pairs.append(ConfigNode.Pair(key, at: place, value))
        }
        return pairs
    }

    /// False once the budget is used up.
    private mutating func spend(_ weight: Int, at place: Place) -> Bool {
        guard !self.isFull else { return false }
        self.count += weight
        guard self.count > self.limits.nodes else { return true }
        self.isFull = true
        let hint = "an alias counts as often as it is used"
        self.findings.report("there are more than \(self.limits.nodes) values up to here", at: place, hint: hint)
        return false
    }

    private func place(of node: Node) -> Place {
        Place(file: self.file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }
}
