// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation

extension Noise {
    enum Token {
        case e, s, ee, es, se, ss, psk
    }

    /// A handshake of two messages, as section 7 writes it.
    enum Pattern {
        /// `-> psk, e` · `<- e, ee`: both know a secret.
        case nnPsk0
        /// `<- s` before; `-> e, es, s, ss` · `<- e, ee, se`: the initiator knows the responder's key and shows its
        /// own.
        case ik

        var protocolName: String {
            switch self {
            case .nnPsk0: "Noise_NNpsk0_25519_AESGCM_SHA256"
            case .ik: "Noise_IK_25519_AESGCM_SHA256"
            }
        }

        var request: [Token] {
            switch self {
            case .nnPsk0: [.psk, .e]
            case .ik: [.e, .es, .s, .ss]
            }
        }

        var response: [Token] {
            switch self {
            case .nnPsk0: [.e, .ee]
            case .ik: [.e, .ee, .se]
            }
        }

        /// Bytes that the first message is longer than its payload.
        var requestOverhead: Int {
            switch self {
            case .nnPsk0: 32 + 16
            case .ik: 32 + 32 + 16 + 16
            }
        }

        /// Bytes that the second message is longer than its payload.
        static let responseOverhead = 32 + 16
    }

    /// One end of a handshake (section 5.3). A value: whoever tries a message tries it on a copy.
    struct HandshakeState {
        private(set) var symmetric: SymmetricState
        private let pattern: Pattern
        private let isInitiator: Bool
        private let psk: [UInt8]
        private let own: Curve25519.KeyAgreement.PrivateKey?
        private let ephemeral: Curve25519.KeyAgreement.PrivateKey
        private(set) var remoteStatic: [UInt8]?
        private(set) var remoteEphemeral: [UInt8]?

        /// - Parameter remote: the responder's key, which the initiator of `ik` knows.
        init(
            _ pattern: Pattern, isInitiator: Bool, prologue: [UInt8], psk: [UInt8] = [],
            own: Curve25519.KeyAgreement.PrivateKey? = nil, remote: [UInt8]? = nil,
            ephemeral: Curve25519.KeyAgreement.PrivateKey
        ) {
            self.pattern = pattern
            self.isInitiator = isInitiator
            self.psk = psk
            self.own = own
            self.remoteStatic = remote
            self.ephemeral = ephemeral
            self.symmetric = SymmetricState(protocolName: pattern.protocolName)
            self.symmetric.mixHash(prologue)
            if pattern == .ik {
                self.symmetric.mixHash(
                    (isInitiator ? remote : own.map { [UInt8]($0.publicKey.rawRepresentation) }) ?? [])
            }
        }

        /// Writes the message whose turn it is: the first one as initiator, else the second.
        mutating func write(_ payload: [UInt8]) throws(Refused) -> [UInt8] {
            var message: [UInt8] = []
            for token in self.isInitiator ? self.pattern.request : self.pattern.response {
                switch token {
                case .e:
                    let key = [UInt8](self.ephemeral.publicKey.rawRepresentation)
                    message += key
                    self.mixEphemeral(key)
                case .s:
                    guard let own = self.own else { throw Refused() }
                    message += try self.symmetric.encryptAndHash([UInt8](own.publicKey.rawRepresentation))
                case .psk: self.symmetric.mixKeyAndHash(self.psk)
                case .ee, .es, .se, .ss: try self.mix(token)
                }
            }
            return try message + self.symmetric.encryptAndHash(payload)
        }

        /// Reads the other end's message.
        ///
        /// - Parameter admit: asked as soon as the initiator's key is known, before anything is computed with it.
        mutating func read(_ message: [UInt8], admit: ([UInt8]) -> Bool = { _ in true }) throws(Refused) -> [UInt8] {
            var rest = message[...]
            for token in self.isInitiator ? self.pattern.response : self.pattern.request {
                switch token {
                case .e:
                    let key = try Self.take(32, &rest)
                    self.remoteEphemeral = key
                    self.mixEphemeral(key)
                case .s:
                    let key = try self.symmetric.decryptAndHash(Self.take(48, &rest))
                    self.remoteStatic = key
                    guard admit(key) else { throw Refused() }
                case .psk: self.symmetric.mixKeyAndHash(self.psk)
                case .ee, .es, .se, .ss: try self.mix(token)
                }
            }
            return try self.symmetric.decryptAndHash(Array(rest))
        }

        /// With a secret in the pattern the ephemeral is mixed into the key too (section 9.2).
        private mutating func mixEphemeral(_ key: [UInt8]) {
            self.symmetric.mixHash(key)
            if self.pattern == .nnPsk0 { self.symmetric.mixKey(key) }
        }

        private mutating func mix(_ token: Token) throws(Refused) {
            let isInitiator = self.isInitiator
            switch token {
            case .ee: try self.agree(self.ephemeral, self.remoteEphemeral)
            case .es where isInitiator: try self.agree(self.ephemeral, self.remoteStatic)
            case .es: try self.agree(self.own, self.remoteEphemeral)
            case .se where isInitiator: try self.agree(self.own, self.remoteEphemeral)
            case .se: try self.agree(self.ephemeral, self.remoteStatic)
            case .ss: try self.agree(self.own, self.remoteStatic)
            case .e, .s, .psk: throw Refused()
            }
        }

        private mutating func agree(_ own: Curve25519.KeyAgreement.PrivateKey?, _ remote: [UInt8]?) throws(Refused) {
            guard let own, let remote,
                let key = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: remote),
                let secret = try? own.sharedSecretFromKeyAgreement(with: key)
            else { throw Refused() }
            self.symmetric.mixKey(secret.withUnsafeBytes { Array($0) })
        }

        private static func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) throws(Refused) -> [UInt8] {
            guard rest.count >= count else { throw Refused() }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
    }
}
