// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

extension JET {
    /// What a peer asks of a relay, once, as the first thing on its carrier.
    public struct Request: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable, CaseIterable {
            /// "I wait here for whoever names the association."
            case accept
            /// "Join me with the one who waits under this association."
            case connect
            /// "Are you there?"
            case test
        }

        public var kind: Kind
        /// As it stands in the request; who serves it judges it.
        public var version: UInt32
        /// All zero where the request has none (accept in version 1).
        public var association: UUID
        /// All zero in version 1.
        public var candidate: UUID
        /// The value of `Host`; may be empty.
        public var host: String

        public init(
            _ kind: Kind, version: UInt32, association: UUID = .zero, candidate: UUID = .zero, host: String
        ) {
            self.kind = kind
            self.version = version
            self.association = association
            self.candidate = candidate
            self.host = host
        }
    }
}

extension UUID {
    /// The nil UUID of RFC 9562.
    public static let zero = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
}
