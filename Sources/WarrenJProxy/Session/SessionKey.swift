// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension JProxy {
    /// The way of the 16-byte AES key from the server to the client: RSAES-PKCS1-v1_5.
    enum SessionKey {
        static func random(using random: inout any RandomNumberGenerator & Sendable) -> [UInt8] {
            // Whole words, so that a test can name the key.
            (0..<2).flatMap { _ in withUnsafeBytes(of: random.next().littleEndian) { Array($0) } }
        }

        /// - Returns: 256 bytes; nil if the public key is none of the protocol's.
        static func encrypt(_ key: [UInt8], publicKey: [UInt8]) -> [UInt8]? {
            guard (try? RSAKeys.checkPublic(publicKey)) != nil,
                let rsa = try? _RSA.Encryption.PublicKey(derRepresentation: publicKey),
                let encrypted = try? rsa.encrypt(key, padding: ._WEAK_AND_INSECURE_PKCS_V1_5)
            else { return nil }
            return Array(encrypted)
        }

        /// Never fails: a server that sends rubbish sees a client that goes on with a key that nobody knows, so that close
        /// or continue tells it nothing about the padding.
        static func decrypt(
            _ encrypted: [UInt8], privateKey: [UInt8], using random: inout any RandomNumberGenerator & Sendable
        ) -> [UInt8] {
            let substitute = Self.random(using: &random)
            let rsa = try? _RSA.Encryption.PrivateKey(derRepresentation: privateKey)
            let found = (try? rsa?.decrypt(encrypted, padding: ._WEAK_AND_INSECURE_PKCS_V1_5)).map { Array($0) } ?? []
            // The choice is made by a mask over all bytes, after the same work in both cases.
            let padded = found + substitute
            let mask: UInt8 = found.count == Login.sessionKey ? 0xFF : 0
            return substitute.indices.map { (padded[$0] & mask) | (substitute[$0] & ~mask) }
        }
    }
}
