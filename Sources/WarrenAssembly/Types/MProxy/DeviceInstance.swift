// SPDX-License-Identifier: Apache-2.0

/// Names one process of a device, so that the relay can tell its lanes from one that comes back after a crash. Said in a header
/// of the upgrade, of which deployed relays take no notice.
struct DeviceInstance: Sendable {
    static let header = "Warren-Instance"
    private static let longest = 64

    let text: String

    /// A new one.
    init() {
        var random = SystemRandomNumberGenerator()
        let words = (0..<2).map { _ in String(UInt64.random(in: 0...(.max), using: &random), radix: 16) }
        self.text = words.joined(separator: "-")
    }

    /// - Returns: nil for what no Warren has written.
    init?(_ text: String) {
        guard (1...Self.longest).contains(text.utf8.count),
            text.utf8.allSatisfy({ ($0 | 0x20).isHexadecimalDigit || $0 == UInt8(ascii: "-") })
        else { return nil }
        self.text = text
    }
}

extension UInt8 {
    /// Of small letters.
    fileprivate var isHexadecimalDigit: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self)
    }
}
