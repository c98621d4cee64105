// SPDX-License-Identifier: Apache-2.0

public import WarrenCore

extension WebSocks {
    /// Bounds what a digest that was overheard is good for: it belongs to the address that used it first.
    ///
    /// An agent uses one digest for all connections of a minute, so it is not good once only. Asked after
    /// ``Secrets/verdict(on:at:)`` has said yes: strangers take no room here. One judge, on one thread, holds it.
    public struct DigestCache: Sendable {
        private struct Key: Hashable {
            var user: [UInt8]
            var digest: [UInt8]
        }

        private struct Use {
            var sources: Set<IPAddress>
            var count = 0
            /// Milliseconds since 1970; the digest is worth nothing any more then.
            var expiry: Int64
        }

        private let sources: Int
        private let uses: Int
        private let most: Int
        private var entries: [Key: Use] = [:]

        /// - Parameters:
        ///   - sources: addresses that may use one digest.
        ///   - uses: how often they may, all together.
        ///   - most: digests that are remembered; where there are as many, no other one is taken until one has expired.
        public init(sources: Int = 1, uses: Int = 4096, most: Int = 4096) {
            self.sources = sources
            self.uses = uses
            self.most = most
        }

        public var count: Int { self.entries.count }

        /// Whether a valid claim may be used once more, from here; counts it if so.
        ///
        /// - Parameter milliseconds: since 1970, now.
        public mutating func admits(_ claim: Claim, from source: IPAddress, at milliseconds: Int64) -> Bool {
            let key = Key(user: claim.identity, digest: claim.proof)
            if self.entries[key] == nil, self.entries.count >= self.most {
                self.entries = self.entries.filter { $0.value.expiry > milliseconds }
                guard self.entries.count < self.most else { return false }
            }
            var use = self.entries[key] ?? Use(sources: [], expiry: milliseconds)
            guard use.count < self.uses, use.sources.contains(source) || use.sources.count < self.sources else {
                return false
            }
            use.sources.insert(source)
            use.count += 1
            // A digest of the next minute is good for three.
            use.expiry = max(use.expiry, milliseconds &+ 3 * Digest.minute)
            self.entries[key] = use
            return true
        }
    }
}
