// SPDX-License-Identifier: Apache-2.0

/// Fills `${NAME}` in a value from the environment; `$$` is a dollar, and any other `$` is itself.
package enum Substitution {
    /// - Throws: a ``Refusal`` that names the variable, never its value.
    package static func fill(
        _ text: String,
        from environment: (String) -> String?
    ) throws(Refusal) -> String {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
        var filled = ""
        var rest = Substring(text).unicodeScalars
        while let scalar = rest.popFirst() {
            guard scalar == "$", let next = rest.first, next == "$" || next == "{" else {
                filled.unicodeScalars.append(scalar)
                continue
            }
            rest = rest.dropFirst()
            if next == "$" {
                filled.unicodeScalars.append("$")
                continue
            }
            guard let end = rest.firstIndex(of: "}") else {
                throw Refusal("opens ${ and never closes it", hint: "write ${NAME}, or $$ for a dollar sign")
            }
            let name = String(rest[..<end])
            rest = rest[rest.index(after: end)...]
            guard Self.isName(name) else {
                throw Refusal("has no variable between ${ and }", hint: "write ${NAME}, or $$ for a dollar sign")
            }
            guard let value = environment(name) else {
                throw Refusal(
                    "needs the environment variable \(name), which is not set", hint: "set it and start again")
            }
            filled += value
        }
        return filled
    }

    /// True for a variable and nothing else, so that what is filled in comes from the environment alone.
    package static func isVariable(_ text: String) -> Bool {
        text.hasPrefix("${") && text.hasSuffix("}") && Self.isName(String(text.dropFirst(2).dropLast()))
    }

    private static func isName(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, !("0"..."9" ~= first) else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            scalar == "_" || (scalar.isASCII && scalar.properties.isAlphabetic) || ("0"..."9" ~= scalar)
        }
    }
}
