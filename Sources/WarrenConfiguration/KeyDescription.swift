// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// A key as its reader asks for it.
package struct KeyDescription: Hashable, Sendable {
    package let name: String
    /// Nil for blocks and for values that have more than one form.
    package var expected: String?
    /// The default, as it could be written.
    package var usual: String?
    package var isRequired = false

    /// As a file could say it.
    static func words<Value>(of value: Value, expected: String) -> String {
        switch value {
        case let amount as TimeAmount: self.words(of: amount)
        case let size as Int where expected.hasPrefix("a size"): Size.words(size)
        case let word as any RawRepresentable: "\(word.rawValue)"
        default: "\(value)"
        }
    }

    private static func words(of amount: TimeAmount) -> String {
        let units: [(name: String, length: Int64)] = [
            ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000),
        ]
        let unit = units.first { amount.nanoseconds >= $0.length && amount.nanoseconds.isMultiple(of: $0.length) }
        return unit.map { "\(amount.nanoseconds / $0.length)\($0.name)" } ?? "0"
    }
}

extension Entry {
    /// An entry in which nothing is written: its reader asks for all keys it knows.
    package static func sample(_ role: Role, type: String) -> Entry {
        let section = Section.sample(type)
        return Entry(role: role, name: type, type: type, to: nil, through: nil, place: section.place, section: section)
    }
}

extension Section {
    fileprivate static func sample(_ what: String) -> Section {
        let place = Place(argument: what, position: 0)
        return Section(ConfigNode(.map([]), at: place), folder: "", findings: Findings(), isSample: true)
    }
}

extension Configuration {
    /// The blocks of a file as their readers ask for them.
    package static func sample(types: EntryTypes) -> Section {
        var configuration = Configuration()
        let root = Section.sample("file")
        configuration.read(root, types: types)
        return root
    }
}
