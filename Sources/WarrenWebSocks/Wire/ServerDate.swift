// SPDX-License-Identifier: Apache-2.0

extension WebSocks {
    /// A date as Java prints it, in UTC: `Sat Nov 21 07:11:00 UTC 2026`.
    enum ServerDate {
        private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        private static let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]

        /// - Parameter milliseconds: since 1970; earlier ones count as 0, and those after the year 9999 as its end.
        static func text(_ milliseconds: Int64) -> String {
            let seconds = min(max(milliseconds / 1000, 0), 253_402_300_799)
            let (days, time) = (Int(seconds / 86_400), Int(seconds % 86_400))
            let (year, month, day) = Self.civil(days)
            let clock = [time / 3600, time / 60 % 60, time % 60].map(Self.two).joined(separator: ":")
            return "\(Self.days[days % 7]) \(Self.months[month]) \(Self.two(day)) \(clock) UTC \(year)"
        }

        private static func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }

        /// The proleptic Gregorian date of a day since 1970; months from 0, days from 1. Years begin in March meanwhile, so that
        /// the leap day is the last one.
        private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
            let shifted = days + 719_468
            let (era, dayOfEra) = (shifted / 146_097, shifted % 146_097)
            let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
            let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
            let marchMonth = (5 * dayOfYear + 2) / 153
            let month = (marchMonth + 2) % 12
            let year = yearOfEra + era * 400 + (month < 2 ? 1 : 0)
            return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
        }
    }
}
