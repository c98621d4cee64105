// SPDX-License-Identifier: Apache-2.0

import Crypto

/// Where keys, indices and nonces are drawn: the system's generator, or a seeded one in tests.
struct Random: Sendable {
    private var generator: any RandomNumberGenerator & Sendable

    init(_ generator: any RandomNumberGenerator & Sendable) { self.generator = generator }

    mutating func next() -> UInt64 { self.generator.next() }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { bytes.append(bigEndian: self.generator.next()) }
        return Array(bytes.prefix(count))
    }

    mutating func ephemeralKey() -> Curve25519.KeyAgreement.PrivateKey {
        // 32 bytes are never refused; were they, the system would draw others.
        (try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: self.bytes(32))) ?? .init()
    }
}
