// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore

/// AES-256-GCM of datagrams under one key.
protocol DatagramCipher: Sendable {
    /// Appends `head | payload, sealed | tag`; the head is authenticated with it.
    ///
    /// - Returns: false, and nothing is appended.
    func seal(_ payload: ByteBuffer, head: Seal.Head, into datagram: inout ByteBuffer) -> Bool

    /// The payload of a datagram with this counter in its header; nil unless it is authentic.
    func open(_ datagram: ByteBuffer, counter: UInt64) -> ByteBuffer?
}

/// The key of one direction of a session, with what is computed from it once.
struct Cipher: DatagramCipher {
    /// Who does the work. The bytes are the same.
    enum Way: Hashable, Sendable, CaseIterable {
        /// The functions below swift-crypto, where they are linked and have proven themselves: ``DirectCipher``.
        case direct
        /// The interface of swift-crypto: ``PublishedCipher``.
        case published

        static var best: Self { DirectCipher.isProven ? .direct : .published }
        static var usable: [Self] { Self.allCases.filter { $0 == .published || DirectCipher.isProven } }
    }

    private enum Form {
        case direct(DirectCipher)
        case published(PublishedCipher)
    }

    private let form: Form

    init(_ key: SymmetricKey, by way: Way = .best) {
        if way == .direct, DirectCipher.isProven, let direct = DirectCipher(key) {
            self.form = .direct(direct)
        } else {
            self.form = .published(PublishedCipher(key))
        }
    }

    /// What it has become.
    var way: Way {
        switch self.form {
        case .direct: .direct
        case .published: .published
        }
    }

    func seal(_ payload: ByteBuffer, head: Seal.Head, into datagram: inout ByteBuffer) -> Bool {
        switch self.form {
        case .direct(let cipher): cipher.seal(payload, head: head, into: &datagram)
        case .published(let cipher): cipher.seal(payload, head: head, into: &datagram)
        }
    }

    func open(_ datagram: ByteBuffer, counter: UInt64) -> ByteBuffer? {
        switch self.form {
        case .direct(let cipher): cipher.open(datagram, counter: counter)
        case .published(let cipher): cipher.open(datagram, counter: counter)
        }
    }
}

// A secret in an interpolation or a dump would be one in a log.
extension Cipher: CustomStringConvertible, CustomReflectable {
    var description: String { "a key" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
