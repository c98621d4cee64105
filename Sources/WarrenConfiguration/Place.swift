// SPDX-License-Identifier: Apache-2.0

/// Where a value was written: a line and a column of a file, or an argument of the command line.
///
/// Prints `warren.yaml:12:5`, the bare file name for the file as a whole, or `-L 1 (socks5://127.0.0.1:1080) users`
/// for a part of a URL. User information and query values of a URL are never part of it.
public struct Place: Hashable, Sendable {
    private enum Origin: Int, Hashable, Sendable {
        case file
        case argument
    }

    private let origin: Origin
    /// The file as the user named it, or the argument.
    public let source: String
    /// Counted from 1, as is ``column``; 0 in both for the source as a whole. An argument keeps its position here.
    public let line: Int
    /// Counted in Unicode scalars.
    public let column: Int

    /// A place in a file; without a line, the file as a whole.
    public init(file: String, line: Int = 0, column: Int = 0) {
        self.origin = .file
        self.source = file
        self.line = line
        self.column = column
    }

    /// An argument of the command line, in words that hold no secret; `position` only orders arguments.
    public init(argument: String, position: Int) {
        self.origin = .argument
        self.source = argument
        self.line = position
        self.column = 0
    }

    /// The arguments of a command as a whole.
    static let command = Place(argument: "arguments", position: 0)

    /// True for a part of the command line, where keys may be written in kebab-case.
    package var isArgument: Bool { self.origin == .argument }
}

extension Place: Comparable {
    /// Files before arguments, then as a reader meets them.
    public static func < (left: Place, right: Place) -> Bool {
        if left.origin != right.origin { return left.origin.rawValue < right.origin.rawValue }
        if left.origin == .argument, left.line != right.line { return left.line < right.line }
        if left.source != right.source { return left.source < right.source }
        return (left.line, left.column) < (right.line, right.column)
    }
}

extension Place: CustomStringConvertible {
    public var description: String {
        self.origin == .argument || self.line == 0 ? self.source : "\(self.source):\(self.line):\(self.column)"
    }
}

/// A value together with the place it was written at, for those who check it later.
package struct Located<Value> {
    package let value: Value
    package let place: Place

    package init(_ value: Value, at place: Place) {
        self.value = value
        self.place = place
    }
}

extension Located: Sendable where Value: Sendable {}
extension Located: Equatable where Value: Equatable {}
extension Located: Hashable where Value: Hashable {}
