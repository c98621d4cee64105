// SPDX-License-Identifier: Apache-2.0

import Crypto
public import WarrenCore

extension JProxy {
    /// The content of a client's `key.dat`.
    public struct ClientKey: Hashable, Sendable {
        /// The RSA-2048 private key, PKCS#8 DER; its length varies by a few bytes.
        public let pkcs8: [UInt8]
        /// What the client says at login, 32 bytes.
        public let hash: [UInt8]

        /// - Throws: ``WireError`` in `privateKey` or `hash`.
        public init(pkcs8: [UInt8], hash: [UInt8]) throws(WireError) {
            try RSAKeys.checkPrivate(pkcs8)
            guard hash.count == Login.hash
            else { throw WireError(.badValue, in: "hash", found: "\(hash.count) bytes instead of \(Login.hash)") }
            self.pkcs8 = pkcs8
            self.hash = hash
        }
    }

    /// The content of a server's `users/<HEX>.dat`.
    public struct UserFile: Hashable, Sendable {
        static let saltLength = 256
        static let publicKeyLength = 294

        /// For logs; never on the wire.
        public let name: String
        /// 256 random bytes.
        public let salt: [UInt8]
        /// The client's RSA-2048 public key, SPKI DER, 294 bytes.
        public let publicKey: [UInt8]
        /// SHA-256 of public key and salt: what the client says at login. Always computed, never trusted.
        public let hash: [UInt8]

        /// - Throws: ``WireError`` in `name`, `salt` or `publicKey`.
        public init(name: String, salt: [UInt8], publicKey: [UInt8]) throws(WireError) {
            guard salt.count == Self.saltLength
            else { throw WireError(.badValue, in: "salt", found: "\(salt.count) bytes instead of \(Self.saltLength)") }
            guard publicKey.count == Self.publicKeyLength else {
                let found = "\(publicKey.count) bytes instead of \(Self.publicKeyLength)"
                throw WireError(.badValue, in: "publicKey", found: found)
            }
            try RSAKeys.checkPublic(publicKey)
            guard name.modifiedUTF8Count <= UInt16.max else { throw WireError(.tooLong, in: "name") }
            self.name = name
            self.salt = salt
            self.publicKey = publicKey
            var hash = SHA256()
            publicKey.withUnsafeBytes { hash.update(bufferPointer: $0) }
            salt.withUnsafeBytes { hash.update(bufferPointer: $0) }
            self.hash = Array(hash.finalize())
        }

        /// The name that deployed servers look for: the hash in upper-case hexadecimal, and `.dat`.
        public var fileName: String {
            let digits = Array("0123456789ABCDEF")
            return self.hash.map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined() + ".dat"
        }
    }

    /// A new user: one file for each side.
    public struct KeyPair: Hashable, Sendable {
        public let client: ClientKey
        public let user: UserFile

        /// Makes an RSA-2048 key, which takes the processor a moment, and a salt from `random`.
        ///
        /// - Throws: ``WireError`` if the name is too long for the file.
        public static func generate(
            name: String, using random: inout some RandomNumberGenerator
        ) throws(WireError) -> KeyPair {
            let (pkcs8, spki) = try RSAKeys.generate()
            let salt = (0..<UserFile.saltLength).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let user = try UserFile(name: name, salt: salt, publicKey: spki)
            return KeyPair(client: try ClientKey(pkcs8: pkcs8, hash: user.hash), user: user)
        }
    }
}
