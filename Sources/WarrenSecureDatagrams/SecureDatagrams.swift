// SPDX-License-Identifier: Apache-2.0

/// Security for datagrams between two Warrens: a Noise handshake, then AEAD on every datagram.
///
/// ``Initiator`` dials, ``Listener`` answers. Both are pure machines: they know no sockets and no clock.
public enum SecureDatagrams {
    /// Bytes that a sealed datagram is longer than its payload: `kind 1 | index 4 | counter 8 | … | tag 16`.
    public static let overhead = Header.length + Seal.tagLength

    /// The longest payload that is sealed, in bytes; a UDP datagram holds no more.
    public static let longestPayload = 65507 - Self.overhead

    /// Why a session is over.
    public enum Failure: Hashable, Sendable, CustomStringConvertible {
        /// The peer did not answer a handshake in time: it is not there, or its key is another.
        case noAnswer
        /// The peer does not know the session any more; it was started anew or gave the session up.
        case forgotten
        /// The keys are too old, or used too often, and no new ones were agreed on.
        case expired
        /// The owner closed it.
        case closed

        public var description: String {
            switch self {
            case .noAnswer: "the peer does not answer: it is not there, or it has another key or none"
            case .forgotten: "the peer does not know the session any more"
            case .expired: "the keys are too old, and no new ones were agreed on"
            case .closed: "closed"
            }
        }
    }

    /// What a machine has seen; for the operator, as numbers.
    public struct Counters: Hashable, Sendable {
        /// Datagrams that are none of ours, by length, kind or mac1.
        public var strangers = 0
        /// Datagrams for an index that nobody has.
        public var unknown = 0
        /// Datagrams or handshakes that did not authenticate.
        public var forged = 0
        /// Datagrams and handshakes that had come before, or are too old to tell.
        public var replayed = 0
        /// Handshakes of a client whose key is not in the list.
        public var refused = 0
        /// Handshakes dropped because of a limit.
        public var limited = 0
        /// Cookies sent instead of an answer.
        public var cookies = 0

        public init() {}
    }
}
