// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension SecureDatagrams {
    /// The payload of a request: `wantsMore u8 | index u32 | attempt u64 | binder 16B`, 29 bytes; all zero for a new
    /// session.
    struct RequestPayload {
        static let length = 29
        /// The responder's index of a session that is to go on; nil for a new one.
        var index: UInt32?
        /// Grows with each handshake of a session, so that none counts twice.
        var attempt: UInt64 = 0
        /// Proves that the sender has the session's keys.
        var binder: [UInt8] = Array(repeating: 0, count: Proofs.length)

        var bytes: [UInt8] {
            var bytes: [UInt8] = [self.index == nil ? 0 : 1]
            bytes.append(bigEndian: self.index ?? 0)
            bytes.append(bigEndian: self.attempt)
            return bytes + self.binder
        }

        init(index: UInt32? = nil) { self.index = index }

        init?(_ bytes: [UInt8]) {
            var rest = ByteBuffer(bytes: bytes)
            guard bytes.count == Self.length, let (flag, index) = rest.readMultipleIntegers(as: (UInt8, UInt32).self),
                flag <= 1, let attempt = rest.readInteger(as: UInt64.self),
                let binder = rest.readBytes(length: Proofs.length)
            else { return nil }
            self.index = flag == 1 ? index : nil
            self.attempt = attempt
            self.binder = binder
        }
    }

    /// The payload of a response: `known u8 | index u32`, 5 bytes.
    struct ResponsePayload {
        static let length = 5
        /// The responder's index for the new keys; nil: it does not know the session that was to go on.
        var index: UInt32?

        var bytes: [UInt8] {
            var bytes: [UInt8] = [self.index == nil ? 0 : 1]
            bytes.append(bigEndian: self.index ?? 0)
            return bytes
        }

        init(index: UInt32?) { self.index = index }

        init?(_ bytes: [UInt8]) {
            var rest = ByteBuffer(bytes: bytes)
            guard bytes.count == Self.length, let (flag, index) = rest.readMultipleIntegers(as: (UInt8, UInt32).self),
                flag <= 1
            else { return nil }
            self.index = flag == 1 ? index : nil
        }
    }

    /// `kind 1B | initiator's index u32 | noise | mac1 16B | mac2 16B`.
    struct Request {
        let index: UInt32
        let noise: [UInt8]
        let mac1: [UInt8]
        let mac2: [UInt8]
        /// What mac1 and mac2 are of.
        let beforeMac1: [UInt8]
        var beforeMac2: [UInt8] { self.beforeMac1 + self.mac1 }

        static func length(_ pattern: Noise.Pattern) -> Int {
            5 + pattern.requestOverhead + RequestPayload.length + 2 * Proofs.length
        }

        /// What the handshake's hash begins with: the label and the head of the request.
        static func prologue(index: UInt32) -> [UInt8] { Array("Warren datagrams 1".utf8) + Self.head(index) }

        static func head(_ index: UInt32) -> [UInt8] {
            var head = [Kind.request.rawValue]
            head.append(bigEndian: index)
            return head
        }

        /// Nil unless its length is that of the pattern.
        init?(_ datagram: ByteBuffer, _ pattern: Noise.Pattern) {
            var rest = datagram
            guard datagram.readableBytes == Self.length(pattern), Kind(of: datagram) == .request,
                let before = rest.readBytes(length: datagram.readableBytes - 2 * Proofs.length),
                let index = datagram.getInteger(at: datagram.readerIndex + 1, as: UInt32.self),
                let mac1 = rest.readBytes(length: Proofs.length), let mac2 = rest.readBytes(length: Proofs.length)
            else { return nil }
            self.index = index
            self.noise = Array(before.dropFirst(5))
            self.mac1 = mac1
            self.mac2 = mac2
            self.beforeMac1 = before
        }
    }

    /// `kind 1B | initiator's index u32 | noise | mac1 16B`, 74 bytes.
    struct Response {
        static let length = 5 + Noise.Pattern.responseOverhead + ResponsePayload.length + Proofs.length
        let index: UInt32
        let noise: [UInt8]
        let mac1: [UInt8]
        let beforeMac1: [UInt8]

        static func head(_ index: UInt32) -> [UInt8] {
            var head = [Kind.response.rawValue]
            head.append(bigEndian: index)
            return head
        }

        init?(_ datagram: ByteBuffer) {
            var rest = datagram
            guard datagram.readableBytes == Self.length, Kind(of: datagram) == .response,
                let before = rest.readBytes(length: Self.length - Proofs.length),
                let index = datagram.getInteger(at: datagram.readerIndex + 1, as: UInt32.self),
                let mac1 = rest.readBytes(length: Proofs.length)
            else { return nil }
            self.index = index
            self.noise = Array(before.dropFirst(5))
            self.mac1 = mac1
            self.beforeMac1 = before
        }
    }
}
