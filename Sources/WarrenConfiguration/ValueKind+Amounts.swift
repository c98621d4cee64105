// SPDX-License-Identifier: Apache-2.0

package import NIOCore

extension ValueKind where Value == TimeAmount {
    /// More than nothing: `250ms`, `10s`, `5m`, `1h`, `1h30m`.
    package static var duration: ValueKind<TimeAmount> { self.duration(allowsZero: false) }
    /// The same, or `0`.
    package static var durationOrZero: ValueKind<TimeAmount> { self.duration(allowsZero: true) }

    private static func duration(allowsZero: Bool) -> Self {
        .scalar("a duration such as 10s") { text throws(Refusal) in
            if text == "0", allowsZero { return .zero }
            let nanoseconds = try Quantity.sum(
                of: text,
                units: [
                    "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
                    "h": 3_600_000_000_000, "d": 86_400_000_000_000,
                ],
                example: "10s, 5m or 1h"
            )
            guard nanoseconds > 0 || allowsZero else {
                throw Refusal("is no time at all", hint: "write a duration above 0")
            }
            return .nanoseconds(nanoseconds)
        }
    }
}

extension ValueKind where Value == Int {
    /// More than nothing, in bytes: `512B`, `64KiB`, `1MiB`, `2GiB`.
    package static var size: Self {
        .scalar("a size such as 64KiB") { text throws(Refusal) in
            let bytes = try Quantity.sum(of: text, units: Size.units, example: "512B, 64KiB or 1MiB")
            guard let size = Int(exactly: bytes) else { throw Refusal("is too large") }
            guard size > 0 else { throw Refusal("holds nothing", hint: "write a size above 0") }
            return size
        }
    }
}

package enum Size {
    static let units: [String: Int64] = ["B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30]

    /// `4MiB`, as it could be written in a file.
    package static func words(_ bytes: Int) -> String {
        let unit =
            [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
            .first { bytes >= $0.1 && bytes.isMultiple(of: $0.1) } ?? ("B", 1)
        return "\(bytes / unit.1)\(unit.0)"
    }
}

/// Whole numbers with units, one or more after another: `1h30m`.
enum Quantity {
    static func sum(of text: String, units: [String: Int64], example: String) throws(Refusal) -> Int64 {
        var rest = Substring(text)
        var sum: Int64 = 0
        guard let first = rest.utf8.first, Self.isDigit(first) else { throw Refusal() }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isWholeNumber }
            rest = rest[digits.endIndex...]
            let unit = rest.prefix { !($0.isASCII && $0.isWholeNumber) }
            rest = rest[unit.endIndex...]
            guard !unit.isEmpty else { throw Refusal("has no unit", hint: "write \(example)") }
            guard let factor = units[String(unit)] else {
                if unit.hasPrefix(".") { throw Refusal("is not a whole number", hint: "use a smaller unit") }
                let nearest = Nearest.word(to: String(unit), among: Array(units.keys))
                throw Refusal("has an unknown unit", hint: nearest.map { "nearest: \($0)" } ?? "write \(example)")
            }
            let product = (Int64(digits) ?? .max).multipliedReportingOverflow(by: factor)
            let total = sum.addingReportingOverflow(product.partialValue)
            guard !product.overflow, !total.overflow else { throw Refusal("is too large", hint: "write less") }
            sum = total.partialValue
        }
        return sum
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
