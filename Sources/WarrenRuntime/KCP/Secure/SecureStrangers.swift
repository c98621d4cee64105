// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenKCP
import WarrenSecureDatagrams

/// What the operator is told of those who get no answer: what they seem to be, each sort once a minute, as their addresses
/// may be forged.
struct SecureStrangers {
    private enum Sort: String {
        case plain = "it speaks KCP without a key, and this port has one"
        case otherKey = "its key is another: the shared secret or the server's public key is not the one here"
        case notListed = "its public key is not among the clients"
        case limited = "too many handshakes, from there or in all"
    }

    private static let pause = TimeAmount.minutes(1)
    private let conversation: UInt32
    private var quietUntil: [Sort: NIODeadline] = [:]

    init(conversation: UInt32) { self.conversation = conversation }

    /// - Parameters:
    ///   - before: the counters before this datagram; after: those behind it.
    /// - Returns: nil for what is nobody's business, or has been said.
    mutating func word(
        on datagram: ByteBuffer, _ before: SecureDatagrams.Counters, _ after: SecureDatagrams.Counters,
        now: NIODeadline
    ) -> String? {
        guard let sort = self.sort(datagram, before, after) else { return nil }
        if let end = self.quietUntil[sort], now < end { return nil }
        self.quietUntil[sort] = now + Self.pause
        return sort.rawValue
    }

    private func sort(
        _ datagram: ByteBuffer, _ before: SecureDatagrams.Counters, _ after: SecureDatagrams.Counters
    ) -> Sort? {
        if after.refused > before.refused { return .notListed }
        if after.limited > before.limited { return .limited }
        if after.forged > before.forged { return .otherKey }
        guard after.strangers > before.strangers else { return nil }
        if SecureDatagrams.Kind(of: datagram) == .request { return .otherKey }
        switch KCP.FirstWord(datagram, conversation: self.conversation) {
        case .beginning, .middle: return .plain
        case .other: return nil
        }
    }
}
