// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import NIOCore

extension SecureDatagrams {
    /// What can be checked of a handshake message before any of it is computed: that its sender knows whom it is for
    /// (mac1), and that it receives what is sent to its address (mac2, the cookie).
    struct Proofs {
        static let length = 16
        static let cookieLength = 5 + 12 + Self.length + Seal.tagLength
        private let mac1Key: [UInt8]
        private let cookieKey: SymmetricKey

        /// - Parameter secret: the shared secret, or the receiver's public key.
        init(secret: [UInt8]) {
            self.mac1Key = Array(SHA256.hash(data: Array("Warren datagrams mac1".utf8) + secret))
            self.cookieKey = SymmetricKey(data: SHA256.hash(data: Array("Warren datagrams cookie".utf8) + secret))
        }

        func mac1(of bytes: [UInt8]) -> [UInt8] { Self.mac(self.mac1Key, bytes) }

        static func mac(_ key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
            Array(Noise.authenticate(key, bytes).prefix(Self.length))
        }

        /// Takes the same time wherever they differ.
        static func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
            a.count == b.count && zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
        }

        /// Writes `kind 1B | initiator's index u32 | nonce 12B | cookie 16B, sealed | tag 16B`, 49 bytes; only who
        /// sent the request with this mac1 can use it.
        func cookieMessage(_ cookie: [UInt8], for request: Request, nonce: [UInt8]) -> ByteBuffer? {
            guard let nonce = try? AES.GCM.Nonce(data: nonce),
                let box = try? AES.GCM.seal(cookie, using: self.cookieKey, nonce: nonce, authenticating: request.mac1)
            else { return nil }
            var message = ByteBuffer(integer: Kind.cookie.rawValue)
            message.writeInteger(request.index)
            message.writeBytes(nonce)
            message.writeBytes(box.ciphertext)
            message.writeBytes(box.tag)
            return message
        }

        /// The cookie in an answer to the request with this index and mac1.
        func cookie(in datagram: ByteBuffer, index: UInt32, mac1: [UInt8]) -> [UInt8]? {
            var rest = datagram
            guard datagram.readableBytes == Self.cookieLength, rest.readInteger(as: UInt8.self) == Kind.cookie.rawValue,
                rest.readInteger(as: UInt32.self) == index, let sealed = rest.readBytes(length: rest.readableBytes),
                let box = try? AES.GCM.SealedBox(combined: sealed),
                let cookie = try? AES.GCM.open(box, using: self.cookieKey, authenticating: mac1)
            else { return nil }
            return Array(cookie)
        }
    }
}
