// SPDX-License-Identifier: Apache-2.0

/// Numbers on a circle of 2^32, as segment numbers and timestamps are (RFC 1982).
///
/// Wrapping is what these numbers do, so `&+` and `&-` are right here for a peer's numbers too.
extension UInt32 {
    /// Whether this number comes before the other one: less than half the circle behind it.
    func precedes(_ other: UInt32) -> Bool { Int32(bitPattern: self &- other) < 0 }

    /// Whether this number is one of `count` from `first` on.
    func isWithin(_ count: Int, from first: UInt32) -> Bool { Int(self &- first) < count }
}
