// SPDX-License-Identifier: Apache-2.0

/// A configuration as a tree in which every value and every key knows its place.
///
/// A file and a URL of the command line become the same tree, so that everything after it is written once.
package struct ConfigNode: Hashable, Sendable {
    package enum Content: Hashable, Sendable {
        case scalar(Scalar)
        case list([ConfigNode])
        case map([Pair])
        /// Could not be read; the problem has been reported, so nobody complains again.
        case broken
    }

    package struct Scalar: Hashable, Sendable {
        /// The value, with the environment filled in.
        package let text: String
        /// The value as the user wrote it; messages show this one, because the environment may hold secrets.
        package let written: String
        /// In quotes or as a block, so that it is text whatever it looks like.
        package let isQuoted: Bool
        /// It stands where a secret may stand, in the right way or a wrong one, so no message shows it.
        package let isSecret: Bool

        package init(_ text: String, written: String? = nil, isQuoted: Bool = false, isSecret: Bool = false) {
            self.text = text
            self.written = written ?? text
            self.isQuoted = isQuoted
            self.isSecret = isSecret && !Substitution.isVariable(written ?? text)
        }

        /// Nothing, `~` or `null`.
        package var isNull: Bool { !self.isQuoted && ["", "~", "null", "Null", "NULL"].contains(self.written) }
    }

    package struct Pair: Hashable, Sendable {
        package let key: String
        package let keyPlace: Place
        package let value: ConfigNode

        package init(_ key: String, at keyPlace: Place, _ value: ConfigNode) {
            self.key = key
            self.keyPlace = keyPlace
            self.value = value
        }
    }

    package let place: Place
    package let content: Content

    package init(_ content: Content, at place: Place) {
        self.place = place
        self.content = content
    }

    /// True if nothing was written where a value belongs.
    package var isNull: Bool {
        guard case .scalar(let scalar) = self.content else { return false }
        return scalar.isNull
    }

    /// What a message calls this value: `a list`, `nothing`, `"10"`.
    package var shown: String {
        switch self.content {
        case .scalar(let scalar):
            scalar.isNull ? "nothing" : scalar.isSecret ? "a text that is not shown" : quoted(scalar.written)
        case .list: "a list"
        case .map: "a map of keys"
        case .broken: "something unreadable"
        }
    }
}

/// Which keys may lead to a secret, so that nothing under them is shown.
package enum SecretKeys {
    private static let words = [
        "password", "passwd", "passwort", "pass", "passphrase", "pwd", "pw", "secret", "token", "secretkey", "psk",
        "apikey", "iv",
    ]

    /// - Parameter parent: the key that the map of this key stands under.
    package static func hide(_ key: String, under parent: String? = nil) -> Bool {
        let folded = key.lowercased().filter { $0 != "-" && $0 != "_" }
        if parent == "users" { return true }
        return Self.words.contains {
            folded == $0 || (folded.hasSuffix($0) && folded.utf8.count > $0.utf8.count && $0.utf8.count > 4)
        }
            || Self.words.contains { $0.utf8.count > 5 && Nearest.edits(from: Array(folded), to: Array($0)) <= 2 }
    }
}
