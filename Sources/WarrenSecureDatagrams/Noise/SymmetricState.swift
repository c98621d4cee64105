// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation

/// The Noise protocol framework, as much of it as two patterns need.
enum Noise {
    /// A message that does not authenticate, is cut short or has no valid point. Why, nobody must learn.
    struct Refused: Error {}

    /// The running hash and key of a handshake (Noise, revision 34, section 5.2), with AESGCM and SHA256.
    struct SymmetricState {
        private(set) var chainingKey: [UInt8]
        private(set) var hash: [UInt8]
        private var key: SymmetricKey?
        private var nonce: UInt64 = 0

        init(protocolName: String) {
            let name = Array(protocolName.utf8)
            self.hash =
                name.count <= 32
                ? name + Array(repeating: 0, count: 32 - name.count) : Array(SHA256.hash(data: name))
            self.chainingKey = self.hash
        }

        mutating func mixHash(_ data: [UInt8]) {
            self.hash = Array(SHA256.hash(data: self.hash + data))
        }

        mutating func mixKey(_ material: [UInt8]) {
            let (first, second, _) = Noise.expand(self.chainingKey, material)
            self.chainingKey = first
            self.key = SymmetricKey(data: second)
            self.nonce = 0
        }

        mutating func mixKeyAndHash(_ material: [UInt8]) {
            let (first, second, third) = Noise.expand(self.chainingKey, material)
            self.chainingKey = first
            self.mixHash(second)
            self.key = SymmetricKey(data: third)
            self.nonce = 0
        }

        /// Before there is a key the text goes as it is.
        mutating func encryptAndHash(_ plain: [UInt8]) throws(Refused) -> [UInt8] {
            guard let key = self.key else {
                self.mixHash(plain)
                return plain
            }
            guard
                let box = try? AES.GCM.seal(
                    plain, using: key, nonce: Seal.nonce(self.nonce), authenticating: self.hash)
            else { throw Refused() }
            self.nonce += 1
            let sealed = Array(box.ciphertext) + Array(box.tag)
            self.mixHash(sealed)
            return sealed
        }

        mutating func decryptAndHash(_ sealed: [UInt8]) throws(Refused) -> [UInt8] {
            guard let key = self.key else {
                self.mixHash(sealed)
                return sealed
            }
            guard sealed.count >= Seal.tagLength,
                let box = try? AES.GCM.SealedBox(
                    nonce: Seal.nonce(self.nonce), ciphertext: sealed.dropLast(Seal.tagLength),
                    tag: sealed.suffix(Seal.tagLength)),
                let plain = try? AES.GCM.open(box, using: key, authenticating: self.hash)
            else { throw Refused() }
            self.nonce += 1
            self.mixHash(sealed)
            return Array(plain)
        }

        /// The keys of both directions, the initiator's first.
        func split() -> (initiator: SymmetricKey, responder: SymmetricKey) {
            let (first, second, _) = Noise.expand(self.chainingKey, [])
            return (SymmetricKey(data: first), SymmetricKey(data: second))
        }
    }

    /// HKDF as section 4.3 defines it, three outputs.
    static func expand(_ chainingKey: [UInt8], _ material: [UInt8]) -> ([UInt8], [UInt8], [UInt8]) {
        let temporary = Self.authenticate(chainingKey, material)
        let first = Self.authenticate(temporary, [1])
        let second = Self.authenticate(temporary, first + [2])
        return (first, second, Self.authenticate(temporary, second + [3]))
    }

    static func authenticate(_ key: [UInt8], _ data: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: data, using: SymmetricKey(data: key)))
    }
}
