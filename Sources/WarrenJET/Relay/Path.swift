// SPDX-License-Identifier: Apache-2.0

extension JET {
    /// The target of an HTTP request, taken apart. Whole segments are compared, never how a text begins or ends.
    public struct Path: Hashable, Sendable {
        /// Path and query, from the first slash on.
        public let text: String
        /// Between the slashes; an empty one behind the last slash counts.
        let segments: [Substring]
        let query: [Substring]

        /// - Parameter target: in origin form, or in absolute form as proxies may send it.
        public init(_ target: String) {
            self.text = Self.originForm(target)
            let halves = self.text[...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            let pieces = (halves.first ?? "").split(separator: "/", omittingEmptySubsequences: false)
            self.segments = pieces.first?.isEmpty == true ? Array(pieces.dropFirst()) : []
            self.query = halves.count > 1 ? halves[1].split(separator: "&") : []
        }

        private static func originForm(_ target: String) -> String {
            guard let mark = target.firstRange(of: "://"), !target.hasPrefix("/"),
                ["http", "https"].contains(target[..<mark.lowerBound].lowercased())
            else { return target }
            let rest = target[mark.upperBound...]
            guard let end = rest.firstIndex(where: { $0 == "/" || $0 == "?" }) else { return "/" }
            return rest[end] == "/" ? String(rest[end...]) : "/\(rest[end...])"
        }

        /// The path without a prefix of whole segments, such as `/tunnel`; nil if it does not begin with it.
        public func below(_ prefix: String) -> Path? {
            guard !prefix.isEmpty else { return self }
            guard self.text.hasPrefix(prefix) else { return nil }
            let rest = self.text.dropFirst(prefix.count)
            switch rest.first {
            case nil: return Path("/")
            case "/": return Path(String(rest))
            case "?": return Path("/\(rest)")
            default: return nil
            }
        }

        /// Whether peers meet there, over a WebSocket only; nil for other paths.
        public var kind: Request.Kind? {
            guard self.segments.first?.lowercased() == "jet" else { return nil }
            let word = self.segments.dropFirst().first?.lowercased()
            return Request.Kind.allCases.first { $0.rawValue == word }
        }

        /// Whether it asks how the relay is, which everybody may.
        public var asksHealth: Bool {
            switch self.named {
            case ["health"], ["jet", "health"]: true
            default: false
            }
        }

        /// The segments without the empty one behind a last slash.
        var named: ArraySlice<Substring> {
            self.segments.count > 1 && self.segments.last?.isEmpty == true
                ? self.segments.dropLast() : self.segments[...]
        }
    }
}
