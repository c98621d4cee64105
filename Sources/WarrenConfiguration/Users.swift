// SPDX-License-Identifier: Apache-2.0

/// Someone who may log in with a name and a password.
package struct User: Hashable, Sendable {
    package let name: String
    package let password: Secret
    package let place: Place
}

extension Section {
    /// The users of `users: { alice: { passwordFile: alice.pw } }`, files read.
    ///
    /// - Returns: nil if the key is absent; those that could be read otherwise, and reports for the others.
    package func users(_ key: String = "users", isRequired: Bool = false) -> [User]? {
        if isRequired { self.note(KeyDescription(name: key, expected: Self.blocks, isRequired: true)) }
        guard self.contains(key) || self.isSample else {
            _ = self.node(key)
            if isRequired {
                self.missing(key, expected: "names with passwords, such as alice: { passwordFile: alice.pw }")
            }
            return nil
        }
        if case .map(let pairs) = self.node(key)?.content { self.refusePasswords(pairs) }
        let users = (self.sections(key, isReported: true) ?? []).filter { !$0.section.isScalar }
        if case .map(let pairs) = self.node(key)?.content, pairs.isEmpty {
            self.report(
                "there are no users, so nobody could log in", at: key,
                hint: isRequired ? "write alice: { passwordFile: alice.pw }" : "remove it to let everybody in")
        }
        return users.compactMap { name, section in
            let password = section.secret("password", isRequired: !name.value.contains(":"))
            guard !name.value.contains(":") else {
                let what = "the name of a user holds a colon"
                self.findings.report(what, at: name.place, hint: "write NAME: { passwordFile: FILE }")
                return nil
            }
            guard (1...255).contains(name.value.utf8.count) else {
                let what = "the user \(quoted(name.value)) needs a name of 1 to 255 bytes"
                self.findings.report(what, at: name.place)
                return nil
            }
            return password.map { User(name: name.value, password: $0, place: name.place) }
        }
    }
}

extension Section {
    /// `alice: hunter2` is what people write first.
    fileprivate func refusePasswords(_ pairs: [ConfigNode.Pair]) {
        for pair in pairs {
            guard case .scalar(let scalar) = pair.value.content, !scalar.isNull else { continue }
            let name = quoted(pair.key).dropFirst().dropLast()
            let hint =
                pair.value.place.isArgument
                ? "write ?users.\(name).password-file=FILE" : "write \(name): { passwordFile: FILE }"
            let what = "a password does not belong here in plain text"
            self.findings.report(what, at: pair.value.place, hint: hint)
        }
    }
}
