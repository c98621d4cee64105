// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Reads the inter-server's proof: `size u8 | CFB128(challenge ‖ suffix)`.
///
/// The size is a length modulo 256, and deployed exits do not look at it. The peer has nothing to say between this and our
/// verdict, so if it does not fit, all that has come within ``grace`` is the proof.
struct AuthReply {
    /// What the proof shows: the suffix behind our challenge, decrypted; nil if it is none.
    struct Verdict {
        var suffix: [UInt8]?
    }

    /// From the size byte on; long enough for what was sent in one write.
    static let grace = TimeAmount.seconds(2)

    var challenge: [UInt8] = []
    private let cipher: MessageCipher
    private let isStrict: Bool
    /// When what has come is taken as it is; nil before the size byte, and after that time.
    private(set) var deadline: NIODeadline?
    private var isOverdue = false

    init(key: ZhwkproX.Key, isStrict: Bool) {
        self.cipher = MessageCipher(key)
        self.isStrict = isStrict
    }

    /// - Returns: nil while incomplete.
    /// - Throws: ``WireError`` `.tooShort` in `auth.reply` for less than the challenge; if strict also `.tooLong`.
    mutating func read(_ bytes: inout ByteBuffer, now: NIODeadline) throws(WireError) -> Verdict? {
        guard let size = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self).map({ Int($0) }) else { return nil }
        let count = bytes.readableBytes - 1
        let isShort = size < self.challenge.count
        if self.isStrict {
            if isShort { throw self.error(.tooShort, size) }
            if count > size { throw self.error(.tooLong, count) }
        }
        if !isShort, count >= size { return self.judge(&bytes, count: size) }
        guard !self.isStrict, self.isGraceOver(now: now) else { return nil }
        if count >= self.challenge.count { return self.judge(&bytes, count: count) }
        if isShort { throw self.error(.tooShort, count) }
        return nil  // it says that it is long enough, and has until the login's deadline
    }

    private func error(_ code: WireError.Code, _ count: Int) -> WireError {
        WireError(code, in: "auth.reply", found: "\(count)")
    }

    private mutating func isGraceOver(now: NIODeadline) -> Bool {
        if self.isOverdue { return true }
        let deadline = self.deadline ?? now + Self.grace
        self.isOverdue = deadline <= now
        self.deadline = self.isOverdue ? nil : deadline
        return self.isOverdue
    }

    private mutating func judge(_ bytes: inout ByteBuffer, count: Int) -> Verdict {
        self.deadline = nil
        bytes.moveReaderIndex(forwardBy: 1)
        let plain = self.cipher.decrypted(bytes.readBytes(length: count) ?? [])
        bytes.clear()
        // Every byte is looked at, wherever the first wrong one is.
        let difference = zip(plain, self.challenge).reduce(0) { $0 | ($1.0 ^ $1.1) }
        guard difference == 0 else { return Verdict() }
        return Verdict(suffix: Array(plain.dropFirst(self.challenge.count)))
    }
}
