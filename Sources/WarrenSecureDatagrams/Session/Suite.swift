// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation

extension SecureDatagrams {
    /// What a configured key means for a handshake.
    struct Suite {
        let pattern: Noise.Pattern
        private let psk: [UInt8]
        private let own: Curve25519.KeyAgreement.PrivateKey?
        /// The server's key, which its clients know.
        private let server: [UInt8]?
        let requestProofs: Proofs
        /// How the datagrams of its sessions are sealed; anything but the best is for tests.
        var way = Cipher.Way.best
        /// Nil if it depends on the client.
        private let responseProofs: Proofs?

        init(_ key: InitiatorKey) {
            switch key {
            case .shared(let shared): self.init(shared)
            case .pair(let own, let server):
                self.init(own: own, server: server, requests: server, responses: Proofs(secret: own.publicKey.bytes))
            }
        }

        init(_ key: ListenerKey) {
            switch key {
            case .shared(let shared): self.init(shared)
            case .pair(let own, _): self.init(own: own, server: nil, requests: own.publicKey, responses: nil)
            }
        }

        private init(_ shared: SharedKey) {
            self.pattern = .nnPsk0
            self.psk = shared.bytes
            self.own = nil
            self.server = nil
            self.requestProofs = Proofs(secret: shared.bytes)
            self.responseProofs = Proofs(secret: shared.bytes)
        }

        private init(own: PrivateKey, server: PublicKey?, requests: PublicKey, responses: Proofs?) {
            self.pattern = .ik
            self.psk = []
            self.own = own.key
            self.server = server?.bytes
            self.requestProofs = Proofs(secret: requests.bytes)
            self.responseProofs = responses
        }

        /// - Parameter client: its static key, where it has one.
        func responseProofs(client: [UInt8]?) -> Proofs {
            self.responseProofs ?? Proofs(secret: client ?? self.psk)
        }

        /// - Parameter index: the initiator's, which the request names.
        func handshake(
            isInitiator: Bool, index: UInt32, ephemeral: Curve25519.KeyAgreement.PrivateKey
        ) -> Noise.HandshakeState {
            Noise.HandshakeState(
                self.pattern, isInitiator: isInitiator, prologue: Request.prologue(index: index), psk: self.psk,
                own: self.own, remote: self.server, ephemeral: ephemeral)
        }
    }
}
