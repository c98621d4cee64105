// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
import WarrenLab

extension ValueKind where Value == Chance {
    /// `5%`, `0.1%`.
    static var chance: Self {
        .scalar("a share such as 5%") { text throws(Refusal) in
            guard text.hasSuffix("%") else {
                guard Double(text) != nil else { throw Refusal() }
                throw Refusal("has no unit", hint: "write \(text)%")
            }
            let digits = text.dropLast()
            guard digits.allSatisfy({ $0.isASCII && ($0.isWholeNumber || $0 == ".") }), let share = Double(digits)
            else { throw Refusal() }
            guard share <= 100 else { throw Refusal("is more than all", hint: "write 100% or less") }
            return Chance(share / 100)
        }
    }
}

extension ValueKind where Value == Blackout {
    /// `LENGTH@START`, `LENGTH/PERIOD`, `LENGTH@START/PERIOD`.
    static var blackout: Self {
        let expected = "a time such as 3s@10s or 30s/60s"
        return Self(expected: expected) { node, context in
            guard case .scalar(let scalar) = node.content else { return nil }
            let halves = scalar.text.split(separator: "/", omittingEmptySubsequences: false)
            let first = (halves.first ?? "").split(separator: "@", omittingEmptySubsequences: false)
            guard halves.count <= 2, first.count <= 2 else {
                node.isNot(expected, context.findings)
                return nil
            }
            func time(_ text: Substring?, _ kind: ValueKind<TimeAmount>) -> TimeAmount? {
                guard let text else { return nil }
                return kind.read(ConfigNode(.scalar(.init(String(text), isQuoted: true)), at: node.place), context)
            }
            let length = time(first.first, .duration)
            let start = time(first.dropFirst().first, .durationOrZero)
            let period = time(halves.dropFirst().first, .duration)
            guard let length, (start != nil) == (first.count == 2), (period != nil) == (halves.count == 2) else {
                return nil
            }
            guard let blackout = Blackout(length: length, start: start, period: period) else {
                let hint = "write a longer time behind the /"
                context.findings.report("\(node.shown) lasts as long as its period", at: node.place, hint: hint)
                return nil
            }
            return blackout
        }
    }
}
