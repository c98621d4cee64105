// SPDX-License-Identifier: Apache-2.0

/// Bytes that break a protocol: which rule, in which field, and what was found instead.
///
/// Only ``code`` and ``field`` take part in equality, so tests need not repeat the prose. ``found`` never holds secrets,
/// keys or payload.
public struct WireError: Error, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String
        private init(_ description: String) { self.description = description }
        public static let badMagic = Code("bad magic")
        public static let badValue = Code("bad value")
        public static let badPadding = Code("bad padding")
        public static let tooLong = Code("too long")
        public static let tooShort = Code("too short")
        public static let unexpected = Code("unexpected")
        public static let truncated = Code("truncated")
    }

    public let code: Code
    public let field: String
    public let found: String

    @inline(never)  // errors are cold: keep them out of the parser's machine code
    public init(_ code: Code, in field: String, found: String = "") {
        self.code = code
        self.field = field
        self.found = found
    }

    public var description: String { "\(self.code) in \(self.field)\(self.found.isEmpty ? "" : ": \(self.found)")" }
}

extension WireError: Hashable {
    public static func == (a: Self, b: Self) -> Bool { a.code == b.code && a.field == b.field }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.code)
        hasher.combine(self.field)
    }
}
