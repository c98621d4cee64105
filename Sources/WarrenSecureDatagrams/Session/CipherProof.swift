// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore

/// Tries a way to seal against the published one, before anything is entrusted to it.
enum CipherProof {
    /// None, less and more than a block, whole blocks, usual datagrams, a run of them, the longest.
    private static let lengths = [0, 1, 15, 16, 17, 100, 256, 1371, 1400, 9000, SecureDatagrams.longestPayload]

    /// - Returns: true if it makes the same bytes, opens them and the other's, and nothing that was changed.
    static func holds(_ make: (SymmetricKey) -> (any DatagramCipher)?) -> Bool {
        let key = SymmetricKey(size: .bits256)
        guard let tried = make(key), let stranger = make(SymmetricKey(size: .bits256)) else { return false }
        let known = PublishedCipher(key)
        return Self.lengths.enumerated().allSatisfy { number, length in
            // All eight bytes of a counter are used.
            let counter = UInt64(number) << 56 | UInt64(number) << 28 | UInt64(number)
            let head = Seal.Head(index: 0x0102_0304, counter: counter)
            let payload = ByteBuffer(bytes: (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) })
            // Behind something, as in a burst.
            var (mine, theirs) = (ByteBuffer(string: "abc"), ByteBuffer(string: "abc"))
            guard tried.seal(payload, head: head, into: &mine), known.seal(payload, head: head, into: &theirs),
                mine == theirs
            else { return false }
            mine.moveReaderIndex(forwardBy: 3)
            return tried.open(mine, counter: counter) == payload && known.open(mine, counter: counter) == payload
                && stranger.open(mine, counter: counter) == nil && tried.open(mine, counter: counter &+ 1) == nil
                && Self.refusesForgeries(tried, of: mine, counter)
        }
    }

    /// One bit of the header, of the first byte behind it, and of the ends of the tag; a byte less.
    private static func refusesForgeries(
        _ cipher: any DatagramCipher, of datagram: ByteBuffer, _ counter: UInt64
    ) -> Bool {
        let length = datagram.readableBytes
        let places = [0, SecureDatagrams.Header.length, length - Seal.tagLength, length - 1]
        let changed = places.map { place in
            var forged = datagram
            let index = forged.readerIndex + place
            forged.setInteger((forged.getInteger(at: index, as: UInt8.self) ?? 0) ^ 1, at: index)
            return forged
        }
        let cut = datagram.getSlice(at: datagram.readerIndex, length: length - 1)
        return (changed + [cut].compactMap { $0 }).allSatisfy { cipher.open($0, counter: counter) == nil }
    }
}
