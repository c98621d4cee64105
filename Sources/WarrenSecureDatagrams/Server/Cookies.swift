// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension SecureDatagrams {
    /// Proof of an address without state: a MAC of it under a secret that changes every two minutes.
    struct Cookies {
        static let lifetime = TimeAmount.seconds(120)
        private var secret: [UInt8]
        private var previous: [UInt8]?
        private var changeAt: NIODeadline

        init(_ random: inout Random, now: NIODeadline) {
            self.secret = random.bytes(32)
            self.changeAt = now + Self.lifetime
        }

        mutating func cookie(_ address: Address, _ random: inout Random, now: NIODeadline) -> [UInt8] {
            self.change(&random, now: now)
            return Proofs.mac(self.secret, address.bytes)
        }

        /// True for a request whose mac2 was made with a cookie for this address, of this secret or the one before.
        mutating func accepts(
            _ request: Request, from address: Address, _ random: inout Random, now: NIODeadline
        ) -> Bool {
            self.change(&random, now: now)
            return [self.secret, self.previous].contains { secret in
                guard let secret else { return false }
                let cookie = Proofs.mac(secret, address.bytes)
                return Proofs.areEqual(Proofs.mac(cookie, request.beforeMac2), request.mac2)
            }
        }

        private mutating func change(_ random: inout Random, now: NIODeadline) {
            guard now >= self.changeAt else { return }
            let end = self.changeAt + Self.lifetime
            self.previous = now < end ? self.secret : nil
            self.changeAt = now < end ? end : now + Self.lifetime
            self.secret = random.bytes(32)
        }
    }
}
