// SPDX-License-Identifier: Apache-2.0

extension ValueKind where Value == String {
    /// Any text, as long as there is some.
    package static var string: Self { .text("a text") }

    /// The same, where there is more to say of what is expected.
    package static func text(_ expected: String) -> Self {
        .scalar(expected) { text throws(Refusal) in
            guard !text.isEmpty else { throw Refusal("holds no text") }
            return text
        }
    }

    /// A name of an entry, as `to:` and the log use it.
    package static var name: Self {
        .scalar("a name such as office") { text throws(Refusal) in
            let isPlain = text.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) }
            guard isPlain, (1...64).contains(text.count) else {
                throw Refusal("is not a name", hint: "use 1 to 64 letters, digits, dashes, dots and underscores")
            }
            return text
        }
    }

    /// One of some words.
    package static func oneOf(_ known: [String]) -> Self {
        .scalar("one of \(known.joined(separator: ", "))") { text throws(Refusal) in
            try Self.known(text, among: known)
        }
    }
}

extension ValueKind {
    /// One of the words of an enumeration.
    package static func oneOf(_ type: Value.Type) -> Self
    where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
        let known = type.allCases.map(\.rawValue)
        return .scalar("one of \(known.joined(separator: ", "))") { text throws(Refusal) in
            guard let value = Value(rawValue: try Self.known(text, among: known)) else { throw Refusal() }
            return value
        }
    }

    private static func known(_ text: String, among known: [String]) throws(Refusal) -> String {
        guard known.contains(text) else {
            let nearest = Nearest.word(to: text, among: known).map { "nearest: \($0)" }
            throw Refusal("is not one of \(known.joined(separator: ", "))", hint: nearest)
        }
        return text
    }
}

extension ValueKind where Value == Bool {
    package static var bool: Self {
        .scalar("true or false") { text throws(Refusal) in
            switch text {
            case "true": return true
            case "false": return false
            case "yes", "on", "True", "TRUE": throw Refusal(hint: "write true")
            case "no", "off", "False", "FALSE": throw Refusal(hint: "write false")
            default: throw Refusal()
            }
        }
    }
}

extension ValueKind where Value == Int {
    /// Decimal, or hexadecimal after `0x` as YAML has it.
    package static func int(in range: ClosedRange<Int>) -> Self {
        let isOpen = range.upperBound == .max
        let bounds = isOpen ? "of \(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"
        return .scalar("a whole number \(bounds)") { text throws(Refusal) in
            // `Int` also takes a plus sign, which nobody means here, and a minus sign behind the `0x`.
            let isHexadecimal = text.hasPrefix("0x")
            let digits = isHexadecimal ? text.dropFirst(2) : text[...]
            guard let number = Int(digits, radix: isHexadecimal ? 16 : 10), range.contains(number),
                digits.first != "+", !isHexadecimal || digits.first != "-"
            else { throw Refusal() }
            return number
        }
    }
}

extension ValueKind where Value == UInt16 {
    /// A port of a peer, so never 0.
    package static var port: Self {
        .scalar("a port from 1 to 65535") { text throws(Refusal) in
            guard let port = UInt16(text), port > 0, !text.hasPrefix("+") else { throw Refusal() }
            return port
        }
    }
}
