// SPDX-License-Identifier: Apache-2.0

/// The surroundings of a value.
package struct ValueContext {
    /// Where relative paths start; empty for the working directory.
    package let folder: String
    package let findings: Findings

    package init(folder: String, findings: Findings) {
        self.folder = folder
        self.findings = findings
    }
}

/// A kind of value a key may have: what it looks like, and how it is read from the tree.
///
/// New kinds are one line in an extension, and every accessor of ``Section`` and every list takes them:
/// ```swift
/// extension ValueKind where Value == Colour {
///     static var colour: Self { .scalar("a colour such as red") { text throws(Refusal) in … } }
/// }
/// ```
package struct ValueKind<Value> {
    /// With an example, after "expected": `a duration such as 10s`.
    package let expected: String
    /// Reads a value; reports what is wrong with it and returns nil otherwise.
    package let read: (ConfigNode, ValueContext) -> Value?

    package init(expected: String, read: @escaping (ConfigNode, ValueContext) -> Value?) {
        self.expected = expected
        self.read = read
    }

    /// A kind written as one word or text. A ``Refusal`` without words means that it is not what was expected.
    package static func scalar(
        _ expected: String,
        parse: @escaping (String, ValueContext) throws(Refusal) -> Value
    ) -> Self {
        Self(expected: expected) { node, context in
            guard case .scalar(let scalar) = node.content, !scalar.isNull else {
                node.isNot(expected, context.findings)
                return nil
            }
            do throws(Refusal) {
                return try parse(scalar.text, context)
            } catch {
                if scalar.text.isEmpty, !scalar.written.isEmpty {
                    node.isNot(expected, context.findings)
                    return nil
                }
                guard let what = error.what else {
                    node.isNot(expected, context.findings, hint: error.hint)
                    return nil
                }
                context.findings.report("\(node.shown) \(what)", at: node.place, hint: error.hint)
                return nil
            }
        }
    }

    package static func scalar(_ expected: String, parse: @escaping (String) throws(Refusal) -> Value) -> Self {
        self.scalar(expected) { (text, _) throws(Refusal) in try parse(text) }
    }
}

extension ConfigNode {
    /// Reports that something else was expected here.
    package func isNot(_ expected: String, _ findings: Findings, hint: String? = nil) {
        guard self.content != .broken else { return }
        guard case .scalar(let scalar) = self.content else {
            return findings.report("expected \(expected), found \(self.shown)", at: self.place, hint: hint)
        }
        if scalar.text.isEmpty, !scalar.written.isEmpty {
            let hint = "give the environment variable a value"
            return findings.report("\(self.shown) is empty; expected \(expected)", at: self.place, hint: hint)
        }
        if let (key, what, hint) = scalar.missedColon, expected.hasPrefix("a map of keys") {
            return findings.report("\(quoted(key)) \(what)", at: self.place, hint: hint)
        }
        findings.report("expected \(expected), found \(self.shown)", at: self.place, hint: hint)
    }
}

extension ConfigNode.Scalar {
    /// The word before a colon that is none to YAML, because no plain space follows it.
    fileprivate var missedColon: (key: String, what: String, hint: String)? {
        guard !self.isQuoted, let colon = self.written.firstIndex(of: ":") else { return nil }
        let key = String(self.written[..<colon])
        guard !key.isEmpty, key.allSatisfy({ $0.isLetter }) else { return nil }
        if let next = self.written[colon...].dropFirst().unicodeScalars.first, YAMLText.isOddSpace(next) {
            return (key, "is followed by a colon and a no-break space (U+00A0)", "write a plain space")
        }
        return (key, "is followed by a colon without a space", "write a space after the colon")
    }
}

extension ValueKind {
    /// A list of values; one value alone counts as a list of one. Bad ones are reported and left out.
    package static func list<Element>(_ element: ValueKind<Element>) -> Self where Value == [Element] {
        Self(expected: "a list of values, each \(element.expected)") { node, context in
            switch node.content {
            case .list(let nodes): nodes.compactMap { element.read($0, context) }
            case .scalar, .map, .broken: element.read(node, context).map { [$0] }
            }
        }
    }

    /// As ``list(_:)``, but with something in it.
    package static func oneOrMore<Element>(_ element: ValueKind<Element>) -> Self where Value == [Element] {
        let (expected, list) = ("one or more values, each \(element.expected)", Self.list(element))
        return Self(expected: expected) { node, context in
            if case .list(let nodes) = node.content, nodes.isEmpty {
                node.isNot(expected, context.findings)
                return nil
            }
            return list.read(node, context)
        }
    }

    /// The value with its place.
    package static func located<Inner>(_ inner: ValueKind<Inner>) -> Self where Value == Located<Inner> {
        Self(expected: inner.expected) { node, context in
            inner.read(node, context).map { Located($0, at: node.place) }
        }
    }

    /// A map from names to values, in the order of the file: `services: { ssh: 127.0.0.1:22 }`.
    package static func map<Element>(_ element: ValueKind<Element>) -> Self
    where Value == [(name: Located<String>, value: Element)] {
        let expected = "a map from names to values, each \(element.expected)"
        return Self(expected: expected) { node, context in
            guard case .map(let pairs) = node.content else {
                node.isNot(expected, context.findings)
                return nil
            }
            return pairs.compactMap { pair in
                element.read(pair.value, context).map { (name: Located(pair.key, at: pair.keyPlace), value: $0) }
            }
        }
    }
}
