// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong with a configuration, or worth a look.
///
/// Prints `file:line:column: what; hint`.
public struct Problem: Hashable, Sendable {
    public let place: Place
    /// What is wrong, in words that hold no secret.
    public let what: String
    /// What to do about it, or the nearest known word.
    public let hint: String?

    public init(_ what: String, at place: Place, hint: String? = nil) {
        self.place = place
        self.what = what
        self.hint = hint
    }
}

extension Problem {
    /// `file:line:column: warning: what; hint`.
    public var asWarning: String { "\(self.place): warning: \(self.what)\(self.hint.map { "; \($0)" } ?? "")" }
}

extension Problem: CustomStringConvertible {
    public var description: String { "\(self.place): \(self.what)\(self.hint.map { "; \($0)" } ?? "")" }
}

/// Everything that is wrong with a configuration, in the order of the places; never empty.
public struct ConfigurationFailure: Error, Hashable, Sendable {
    public let problems: [Problem]
}

extension ConfigurationFailure: CustomStringConvertible {
    /// One problem per line.
    public var description: String { self.problems.map(\.description).joined(separator: "\n") }
}

/// Collects what all readers of one configuration find, so that one run names every problem.
package final class Findings {
    private var found: [Problem] = []
    private var noted: [Problem] = []
    /// What was said already: a value that is read twice is reported once.
    private var known: Set<Problem> = []

    package init() {}

    /// What must be mended, in the order of the places.
    package var problems: [Problem] { Self.inOrder(self.found) }
    /// What works and still deserves a warning, in the order of the places.
    package var notes: [Problem] { Self.inOrder(self.noted) }
    package var isEmpty: Bool { self.found.isEmpty }
    /// How many problems there are so far.
    package var count: Int { self.found.count }

    package func report(_ what: String, at place: Place, hint: String? = nil) {
        let problem = Problem(what, at: place, hint: hint)
        if self.known.insert(problem).inserted { self.found.append(problem) }
    }

    package func note(_ what: String, at place: Place, hint: String? = nil) {
        let problem = Problem(what, at: place, hint: hint)
        if self.known.insert(problem).inserted { self.noted.append(problem) }
    }

    /// Throws if anything was reported so far. Call it once every section has been finished.
    package func check() throws(ConfigurationFailure) {
        guard self.isEmpty else { throw ConfigurationFailure(problems: self.problems) }
    }

    /// A stable sort: two problems of one place stay as they were reported.
    private static func inOrder(_ problems: [Problem]) -> [Problem] {
        problems.enumerated()
            .sorted { left, right in
                left.element.place == right.element.place
                    ? left.offset < right.offset : left.element.place < right.element.place
            }
            .map(\.element)
    }
}

/// Why a text is not the value it should be. Never repeats the text: it may come from the environment.
package struct Refusal: Error, Hashable, Sendable {
    /// Follows the quoted text (`"10" has no unit`); nil says only what was expected.
    package let what: String?
    package let hint: String?

    package init(_ what: String? = nil, hint: String? = nil) {
        self.what = what
        self.hint = hint
    }
}

/// The text in quotes as a message shows it: on one line, without control characters, at most 60 characters, and without
/// the user and the password of a URL.
package func quoted(_ text: String) -> String {
    let text = withoutLogin(text)
    var shown = ""
    for scalar in text.unicodeScalars.prefix(60) {
        shown.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
    }
    return text.unicodeScalars.count > 60 ? "\"\(shown)…\"" : "\"\(shown)\""
}

/// With `…` for what stands before an `@`: a name, and perhaps a password or a token.
private func withoutLogin(_ text: String) -> String {
    guard let at = text.lastIndex(of: "@"), at != text.startIndex else { return text }
    let start = text[..<at].firstRange(of: "://")?.upperBound ?? text.startIndex
    return text[..<start] + "…" + text[at...]
}
