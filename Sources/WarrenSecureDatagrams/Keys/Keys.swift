// SPDX-License-Identifier: Apache-2.0

import Crypto

extension SecureDatagrams {
    /// A secret that both ends have, 32 random bytes.
    ///
    /// In a file: one line `warren-vproxy-shared:` and the bytes in base64.
    public struct SharedKey: Hashable, Sendable {
        let bytes: [UInt8]

        /// Draws a new one.
        public init() { self.init(SymmetricKey(size: .bits256)) }

        private init(_ key: SymmetricKey) { self.bytes = key.withUnsafeBytes { Array($0) } }

        /// Reads what ``text`` writes; blanks and line ends around it do not count.
        public init(parsing text: String) throws(KeyFailure) {
            self.bytes = try KeyText.shared.bytes(of: text)
        }

        /// The line for the key file. It is the secret.
        public var text: String { KeyText.shared.text(of: self.bytes) }
    }

    /// The secret half of an end's key pair (Curve25519).
    ///
    /// In a file: one line `warren-vproxy-private:` and 32 bytes in base64.
    public struct PrivateKey: Hashable, Sendable {
        let key: Curve25519.KeyAgreement.PrivateKey

        /// Draws a new one.
        public init() { self.key = Curve25519.KeyAgreement.PrivateKey() }

        /// Reads what ``text`` writes; blanks and line ends around it do not count.
        public init(parsing text: String) throws(KeyFailure) {
            let bytes = try KeyText.privateKey.bytes(of: text)
            do { self.key = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: bytes) } catch {
                throw .notAKey(expected: KeyText.privateKey.rawValue)
            }
        }

        /// The line for the key file. It is the secret.
        public var text: String { KeyText.privateKey.text(of: [UInt8](self.key.rawRepresentation)) }

        public var publicKey: PublicKey { PublicKey([UInt8](self.key.publicKey.rawRepresentation)) }

        public static func == (a: PrivateKey, b: PrivateKey) -> Bool { a.publicKey == b.publicKey }
        public func hash(into hasher: inout Hasher) { hasher.combine(self.publicKey) }
    }

    /// The half of a key pair that the other end is told.
    ///
    /// In a file: one line `warren-vproxy-public:` and 32 bytes in base64.
    public struct PublicKey: Hashable, Sendable, CustomStringConvertible {
        let bytes: [UInt8]

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        /// Reads what ``text`` writes; blanks and line ends around it do not count.
        public init(parsing text: String) throws(KeyFailure) {
            self.bytes = try KeyText.publicKey.bytes(of: text)
        }

        public var text: String { KeyText.publicKey.text(of: self.bytes) }

        public var description: String { self.text }
    }

    /// What an ``Initiator`` shows and whom it trusts.
    public enum InitiatorKey: Hashable, Sendable {
        case shared(SharedKey)
        case pair(own: PrivateKey, server: PublicKey)
    }

    /// What a ``Listener`` shows and whom it lets in.
    public enum ListenerKey: Hashable, Sendable {
        case shared(SharedKey)
        case pair(own: PrivateKey, clients: Set<PublicKey>)
    }
}

// A secret in an interpolation or a dump would be one in a log.
extension SecureDatagrams.SharedKey: CustomStringConvertible, CustomReflectable {
    public var description: String { "a shared key" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension SecureDatagrams.PrivateKey: CustomStringConvertible, CustomReflectable {
    public var description: String { "a private key" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
