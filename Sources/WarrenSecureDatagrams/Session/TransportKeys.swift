// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore

extension SecureDatagrams {
    /// What one handshake has agreed on: a key and an index for each direction.
    struct TransportKeys {
        /// Which the peer names.
        let local: UInt32
        /// Which we name.
        let remote: UInt32
        let born: NIODeadline
        private let sealing: SymmetricKey
        private let opening: SymmetricKey
        private let binding: [UInt8]
        /// Datagrams sealed; the next one's counter.
        private(set) var sealed: UInt64 = 0
        private(set) var window = ReplayWindow()

        init(_ handshake: Noise.HandshakeState, isInitiator: Bool, local: UInt32, remote: UInt32, born: NIODeadline) {
            let keys = handshake.symmetric.split()
            self.local = local
            self.remote = remote
            self.born = born
            self.sealing = isInitiator ? keys.initiator : keys.responder
            self.opening = isInitiator ? keys.responder : keys.initiator
            self.binding = Noise.authenticate(handshake.symmetric.chainingKey, Array("Warren datagrams rekey".utf8))
        }

        /// Proves in a request with this ephemeral key that its sender has these keys.
        func binder(ephemeral: [UInt8], attempt: UInt64) -> [UInt8] {
            var bytes = ephemeral
            bytes.append(bigEndian: attempt)
            return Proofs.mac(self.binding, bytes)
        }

        func isUsable(_ timing: Timing, now: NIODeadline) -> Bool {
            now < self.born + timing.rejectAfter && self.sealed < timing.rejectAfterDatagrams
        }

        /// - Returns: false, and nothing is written, if it cannot be sealed.
        mutating func seal(_ payload: ByteBuffer, into datagram: inout ByteBuffer) -> Bool {
            let head = Seal.Head(index: self.remote, counter: self.sealed)
            // Counted first: no counter is ever used twice.
            self.sealed += 1
            return Seal.write(payload, head: head, with: self.sealing, into: &datagram)
        }

        enum Opened {
            /// - isLatest: no later one has come.
            case payload(ByteBuffer, isLatest: Bool)
            case replayed
            case forged
        }

        mutating func open(_ datagram: ByteBuffer, _ header: Header) -> Opened {
            guard self.window.isFresh(header.counter) else { return .replayed }
            guard let payload = Seal.open(datagram, with: self.opening) else { return .forged }
            let isLatest = header.counter >= self.window.next
            self.window.mark(header.counter)
            return .payload(payload, isLatest: isLatest)
        }
    }
}
