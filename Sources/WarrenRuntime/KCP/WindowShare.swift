// SPDX-License-Identifier: Apache-2.0

/// The receive windows that the peers of one port may have on one loop: what a peer sends out of order is held, up to its
/// window, and many peers could agree to send nothing else. On that loop only.
package final class WindowShare {
    /// Segments for who may have come with a forged address, and for who came when all large windows were taken.
    static let unproven = 64
    private static let usual = 1024
    /// So many peers may have a large one.
    private static let mostLarge = 64
    private var taken = 0

    package init() {}

    /// - Parameter large: segments of a large window.
    /// - Returns: segments. ``giveBack()`` must follow.
    func take(_ large: Int) -> Int {
        self.taken += 1
        return self.taken <= Self.mostLarge ? large : min(large, Self.usual)
    }

    func giveBack() { self.taken -= 1 }
}

@available(*, unavailable)
extension WindowShare: Sendable {}
