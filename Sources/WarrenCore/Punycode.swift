// SPDX-License-Identifier: Apache-2.0

/// International labels as ASCII: the letters that are ASCII, then where the others stand.
///
/// Source: RFC 3492, section 6.3, with the parameters of section 5.
enum Punycode {
    private static let base: UInt32 = 36
    private static let least: UInt32 = 1
    private static let most: UInt32 = 26
    private static let skew: UInt32 = 38
    private static let damp: UInt32 = 700

    /// `bcher-kva` for `bücher`; nil if a number grows beyond 32 bits, which no label of a name's length does.
    static func encode(_ label: some Collection<Unicode.Scalar>) -> String? {
        let scalars = label.map(\.value)
        var text = String(String.UnicodeScalarView(label.filter(\.isASCII)))
        let ascii = UInt32(text.utf8.count)
        var done = ascii
        if ascii > 0 { text += "-" }
        var (code, delta, bias): (UInt32, UInt32, UInt32) = (128, 0, 72)
        while done < scalars.count {
            guard let next = scalars.lazy.filter({ $0 >= code }).min() else { return nil }
            let (steps, isTooMuch) = (next - code).multipliedReportingOverflow(by: done + 1)
            let (sum, isSumTooMuch) = delta.addingReportingOverflow(steps)
            guard !isTooMuch, !isSumTooMuch else { return nil }
            (delta, code) = (sum, next)
            for value in scalars {
                if value < code {
                    guard delta < .max else { return nil }
                    delta += 1
                }
                guard value == code else { continue }
                Self.write(delta, bias, to: &text)
                bias = Self.adapt(delta, points: done + 1, isFirst: done == ascii)
                delta = 0
                done += 1
            }
            guard delta < .max else { return nil }
            delta += 1
            code += 1
        }
        return text
    }

    /// Writes a number of variable length, the lowest digit first.
    private static func write(_ number: UInt32, _ bias: UInt32, to text: inout String) {
        var rest = number
        var weight = Self.base
        while true {
            let threshold = weight <= bias ? Self.least : min(weight - bias, Self.most)
            guard rest >= threshold else { break }
            let span = Self.base - threshold
            text.unicodeScalars.append(Self.digit(threshold + (rest - threshold) % span))
            rest = (rest - threshold) / span
            weight += Self.base
        }
        text.unicodeScalars.append(Self.digit(rest))
    }

    private static func adapt(_ delta: UInt32, points: UInt32, isFirst: Bool) -> UInt32 {
        var delta = isFirst ? delta / Self.damp : delta / 2
        delta += delta / points
        var bias: UInt32 = 0
        while delta > (Self.base - Self.least) * Self.most / 2 {
            delta /= Self.base - Self.least
            bias += Self.base
        }
        return bias + (Self.base - Self.least + 1) * delta / (delta + Self.skew)
    }

    /// `a` to `z`, then `0` to `9`.
    private static func digit(_ value: UInt32) -> Unicode.Scalar {
        Unicode.Scalar(UInt8(truncatingIfNeeded: value < 26 ? value + 0x61 : value - 26 + 0x30))
    }
}
