// SPDX-License-Identifier: Apache-2.0

extension JProxy {
    /// The client's first bytes: who is speaking, and which version.
    struct Hello: Hashable, Sendable {
        static let magic = "jProxy"
        static let major: UInt8 = 3

        var major = Self.major
        /// Any value is accepted; a Warren announces its ``JProxy/Extension`` by it.
        var minor: UInt8 = 0
    }

    /// The server's one-byte answers to hello and login.
    enum Answer {
        static let accepted: UInt8 = 0
        static let refused: UInt8 = 1
    }

    /// Sizes of the login, in bytes.
    enum Login {
        static let hash = 32
        static let sessionKey = 16
        /// The session key under RSA-2048.
        static let encryptedKey = 256
    }
}
