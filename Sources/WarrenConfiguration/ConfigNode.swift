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

        package init(_ text: String, written: String? = nil, isQuoted: Bool = false) {
            self.text = text
            self.written = written ?? text
            self.isQuoted = isQuoted
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
        case .scalar(let scalar): scalar.isNull ? "nothing" : quoted(scalar.written)
        case .list: "a list"
        case .map: "a map of keys"
        case .broken: "something unreadable"
        }
    }
}
