// SPDX-License-Identifier: Apache-2.0

import Foundation

let websocksExposure =
    "the user's name, a login that is good for anybody for up to three minutes, destinations and everything that is not "
    + "encrypted itself"

/// The time of day, of which a digest is made.
enum WallClock {
    /// Milliseconds since 1970.
    @Sendable static func milliseconds() -> Int64 {
        Int64(exactly: (Date().timeIntervalSince1970 * 1000).rounded()) ?? 0
    }
}
