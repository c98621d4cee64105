// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension SecureDatagrams {
    /// What one handshake has agreed on: a key and an index for each direction.
    struct TransportKeys {
        /// Which the peer names.
        let local: UInt32
        /// Which we name.
        let remote: UInt32
        let born: NIODeadline
        private let sealing: Cipher
        private let opening: Cipher
        private let binding: [UInt8]
        /// Datagrams sealed; the next one's counter.
        private(set) var sealed: UInt64 = 0
        private(set) var window = ReplayWindow()

        init(
            _ handshake: Noise.HandshakeState, isInitiator: Bool, local: UInt32, remote: UInt32, born: NIODeadline,
            by way: Cipher.Way = .best
        ) {
            let keys = handshake.symmetric.split()
            self.local = local
            self.remote = remote
            self.born = born
            self.sealing = Cipher(isInitiator ? keys.initiator : keys.responder, by: way)
            self.opening = Cipher(isInitiator ? keys.responder : keys.initiator, by: way)
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
            return self.sealing.seal(payload, head: head, into: &datagram)
        }

        enum Opened {
            /// - isLatest: no later one has come.
            case payload(ByteBuffer, isLatest: Bool)
            case replayed
            case forged
        }

        mutating func open(_ datagram: ByteBuffer, _ header: Header) -> Opened {
            guard self.window.isFresh(header.counter) else { return .replayed }
            guard let payload = self.opening.open(datagram, counter: header.counter) else { return .forged }
            let isLatest = header.counter >= self.window.next
            self.window.mark(header.counter)
            return .payload(payload, isLatest: isLatest)
        }
    }
}
