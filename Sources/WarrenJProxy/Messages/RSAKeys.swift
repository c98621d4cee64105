// SPDX-License-Identifier: Apache-2.0

import CryptoExtras
import WarrenCore

extension JProxy {
    /// The only kind of key that both deployed ends can read: RSA-2048 with e = 65537.
    enum RSAKeys {
        private static let bits = 2048
        private static let exponent: [UInt8] = [1, 0, 1]

        /// - Throws: ``WireError`` in `publicKey`.
        static func checkPublic(_ spki: [UInt8]) throws(WireError) {
            guard let key = try? _RSA.Encryption.PublicKey(derRepresentation: spki)
            else { throw WireError(.badValue, in: "publicKey", found: "not an RSA key in SPKI form") }
            try Self.check(key, "publicKey")
        }

        /// - Throws: ``WireError`` in `privateKey`.
        static func checkPrivate(_ pkcs8: [UInt8]) throws(WireError) {
            guard let key = try? _RSA.Encryption.PrivateKey(derRepresentation: pkcs8)
            else { throw WireError(.badValue, in: "privateKey", found: "not an RSA key in PKCS#8 form") }
            try Self.check(key.publicKey, "privateKey")
        }

        static func generate() throws(WireError) -> (pkcs8: [UInt8], spki: [UInt8]) {
            guard let key = try? _RSA.Signing.PrivateKey(keySize: .bits2048)
            else { throw WireError(.unexpected, in: "privateKey", found: "the system could not make a key") }
            return (Array(key.pkcs8DERRepresentation), Array(key.publicKey.derRepresentation))
        }

        private static func check(_ key: _RSA.Encryption.PublicKey, _ field: String) throws(WireError) {
            guard key.keySizeInBits == Self.bits
            else { throw WireError(.badValue, in: field, found: "RSA-\(key.keySizeInBits), must be RSA-2048") }
            guard let exponent = try? key.getKeyPrimitives().publicExponent, Array(exponent) == Self.exponent
            else { throw WireError(.badValue, in: field, found: "exponent is not 65537") }
        }
    }
}
