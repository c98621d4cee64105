// SPDX-License-Identifier: Apache-2.0

/// A reader of one map: hands out typed values, collects problems, and knows at the end which keys nobody read.
///
/// ```swift
/// let listen = section.required("listen", .listenAddress)
/// let linger = section.value("linger", .duration, default: .seconds(5))
/// section.finish()
/// guard let listen else { return nil }   // the findings say why
/// ```
package final class Section {
    /// What problems are about when a key is missing.
    package let place: Place
    package let findings: Findings
    /// Where relative paths start: the folder of the file, or the working directory (empty) for a URL.
    package let folder: String

    /// A text stands where keys should.
    let isScalar: Bool
    /// Nothing is written in it, and every block that a reader asks for is there: only what is asked for is of interest.
    package let isSample: Bool
    package let pairs: [ConfigNode.Pair]
    private var asked: [String] = []
    private var read: Set<Int> = []
    private var children: [String: [Section]] = [:]
    /// Every key that was asked for, in order, with what is expected there.
    package private(set) var keys: [KeyDescription] = []

    /// - Parameters:
    ///   - node: reported and taken as empty if it is not a map.
    ///   - isReported: a text in its place has been reported already.
    package init(
        _ node: ConfigNode, folder: String, findings: Findings, isReported: Bool = false, isSample: Bool = false
    ) {
        self.isSample = isSample
        self.place = node.place
        self.folder = folder
        self.findings = findings
        if case .map(let pairs) = node.content {
            self.pairs = pairs
            self.isScalar = false
        } else {
            self.pairs = []
            self.isScalar = if case .scalar = node.content { !node.isNull } else { false }
            if !node.isNull, !isReported || !self.isScalar { node.isNot("a map of keys", findings) }
        }
    }

    /// nil if the key is absent, or its value was reported.
    package func optional<Value>(_ key: String, _ kind: ValueKind<Value>) -> Value? {
        self.note(KeyDescription(name: key, expected: kind.expected))
        return self.node(key).flatMap { kind.read($0, self.context) }
    }

    /// The default if the key is absent, or its value was reported.
    package func value<Value>(_ key: String, _ kind: ValueKind<Value>, default: Value) -> Value {
        let usual = KeyDescription.words(of: `default`, expected: kind.expected)
        self.note(KeyDescription(name: key, expected: kind.expected, usual: usual))
        return self.optional(key, kind) ?? `default`
    }

    /// nil only after a report.
    package func required<Value>(_ key: String, _ kind: ValueKind<Value>) -> Value? {
        self.note(KeyDescription(name: key, expected: kind.expected, isRequired: true))
        guard let node = self.node(key) else {
            self.missing(key, expected: kind.expected)
            return nil
        }
        return kind.read(node, self.context)
    }

    /// The section under a key; nil if there is none. Finished with this one.
    package func section(_ key: String) -> Section? {
        self.node(key, expected: "a block of keys").flatMap { self.children(key, [$0]).first } ?? self.sample(key)
    }

    /// What is expected where names have blocks.
    static let blocks = "a map from names to blocks of keys"

    /// The sections of a map from names to maps, such as `users`; nil if the key is absent. Finished with this one.
    ///
    /// - Parameter isReported: texts in the place of maps have been reported already.
    package func sections(_ key: String, isReported: Bool = false) -> [(name: Located<String>, section: Section)]? {
        guard let node = self.node(key, expected: Self.blocks) else {
            return self.sample(key).map { [(name: Located(key, at: self.place), section: $0)] }
        }
        guard case .map(let pairs) = node.content else {
            node.isNot("a map from names to maps of keys", self.findings)
            return nil
        }
        let sections = self.children(key, pairs.map(\.value), isReported: isReported)
        return zip(pairs, sections).map { (name: Located($0.key, at: $0.keyPlace), section: $1) }
    }

    /// The maps of a list; whoever reads them finishes them. Empty if the key is absent or holds nothing.
    package func items(_ key: String) -> [Section] {
        guard let node = self.node(key, expected: "a list of blocks of keys"), !node.isNull else {
            return [self.sample(key)].compactMap { $0 }
        }
        guard case .list(let nodes) = node.content else {
            node.isNot("a list of entries", self.findings)
            return []
        }
        return nodes.compactMap { node in
            guard case .map = node.content else {
                node.isNot("a map of keys", self.findings)
                return nil
            }
            return Section(node, folder: self.folder, findings: self.findings)
        }
    }

    /// The raw value of a key, which counts as read; for values that have more than one form.
    package func node(_ key: String, expected: String? = nil) -> ConfigNode? {
        if !self.asked.contains(key) { self.asked.append(key) }
        self.note(KeyDescription(name: key, expected: expected))
        guard let index = self.index(of: key) else { return nil }
        self.read.insert(index)
        return self.pairs[index].value
    }

    /// True if the key is there; does not count as reading it.
    package func contains(_ key: String) -> Bool { self.index(of: key) != nil }

    /// Where the value of a key stands, or the section if the key is absent.
    package func place(of key: String) -> Place { self.index(of: key).map { self.pairs[$0].value.place } ?? self.place }

    /// Reports that something is wrong with the value of a key.
    package func report(_ what: String, at key: String, hint: String? = nil) {
        self.findings.report(what, at: self.place(of: key), hint: hint)
    }

    /// Reports that a key should be there.
    package func missing(_ key: String, expected: String) {
        self.findings.report("the key \(quoted(key)) is missing", at: self.place, hint: "expected \(expected)")
    }

    /// Counts all keys as read: what is wrong with them has been said.
    package func readRest() {
        self.read.formUnion(self.pairs.indices)
        self.asked += self.pairs.map(\.key)
    }

    /// Reports every key that was not asked for, here and in the sections below.
    package func finish() {
        for (index, pair) in self.pairs.enumerated() where !self.read.contains(index) {
            let isOdd = pair.key.unicodeScalars.contains(where: YAMLText.isOddSpace)
            let hint =
                isOdd
                ? "it holds a no-break space (U+00A0): write a plain space"
                : pair.key.contains(":")
                    ? "write a space after the colon" : Nearest.hint("key", for: pair.key, among: self.asked)
            if pair.key.contains(":") {
                // What follows the colon may be a secret.
                let word = quoted(String(pair.key.prefix { $0 != ":" }))
                self.findings.report("\(word) is followed by a colon without a space", at: pair.keyPlace, hint: hint)
                continue
            }
            self.findings.report("unknown key \(quoted(pair.key))", at: pair.keyPlace, hint: hint)
        }
        for child in self.children.values.joined() { child.finish() }
    }

    /// The first one to say what is expected counts.
    func note(_ key: KeyDescription) {
        guard let index = self.keys.firstIndex(where: { $0.name == key.name }) else { return self.keys.append(key) }
        if self.keys[index].expected == nil { self.keys[index] = key }
    }

    /// The block that a reader has asked for under a key.
    package func below(_ key: String) -> Section? { self.children[key]?.first }

    private func sample(_ key: String) -> Section? {
        guard self.isSample else { return nil }
        return self.children(key, [ConfigNode(.map([]), at: self.place)]).first
    }

    private var context: ValueContext { ValueContext(folder: self.folder, findings: self.findings) }

    private func index(of key: String) -> Int? {
        self.pairs.firstIndex { $0.key == key || ($0.keyPlace.isArgument && CamelCase.from($0.key) == key) }
    }

    /// The sections under a key, the same ones each time, so that all their readers together ask for the known keys.
    private func children(_ key: String, _ nodes: [ConfigNode], isReported: Bool = false) -> [Section] {
        if let known = self.children[key], known.count == nodes.count { return known }
        let sections = nodes.map {
            Section(
                $0, folder: self.folder, findings: self.findings, isReported: isReported, isSample: self.isSample)
        }
        self.children[key] = sections
        return sections
    }
}

/// `password-file` is `passwordFile` on the command line.
package enum CamelCase {
    package static func from(_ key: String) -> String {
        let parts = key.split(separator: "-", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(into: String(parts.first ?? "")) { camel, part in
            camel += part.prefix(1).uppercased() + part.dropFirst()
        }
    }
}
