// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Cuts what the peer sends into what it says.
///
/// Payload of DATA is handed on in the parts in which it comes, whatever the frame's length says. Only what is compressed
/// waits until it is whole, and is never longer than what may come out of it.
struct FrameReader {
    private enum Place {
        case handshake
        case head
        case data(stream: UInt32, left: Int, isLast: Bool)
        /// Bytes that mean nothing to us.
        case skipping(Int)
    }

    private let dialect: VProxy.Dialect
    /// What one compressed frame may become, in bytes.
    private let mostInflated: Int
    private var place = Place.handshake
    private var bytes = ByteBuffer()
    /// A frame was seen whole but for its end: said with the next call.
    private var following: VProxy.Incoming?
    /// Both ends have agreed on it.
    var isExtended = false

    init(_ dialect: VProxy.Dialect, mostInflated: Int) {
        self.dialect = dialect
        self.mostInflated = mostInflated
    }

    mutating func receive(_ bytes: ByteBuffer) { self.bytes.take(bytes) }

    /// There are bytes that were not looked at, or not whole.
    var hasBytes: Bool { self.bytes.readableBytes > 0 || self.following != nil }

    /// The peer may not end the carrier here.
    var isInsideFrame: Bool {
        switch self.place {
        case .handshake, .head: self.bytes.readableBytes > 0
        case .data, .skipping: true
        }
    }

    /// The next thing that the peer has said; nil if there is none yet.
    mutating func next() throws(WireError) -> VProxy.Incoming? {
        if let following {
            self.following = nil
            return following
        }
        while true {
            switch self.place {
            case .handshake:
                guard let incoming = try self.bytes.readWhole(self.readHandshake) else { return nil }
                self.place = .head
                return incoming
            case .data(let stream, let left, let isLast):
                return self.readPart(stream, left, isLast)
            case .skipping(let left):
                let count = min(left, self.bytes.readableBytes)
                self.bytes.moveReaderIndex(forwardBy: count)
                guard count == left else {
                    self.place = .skipping(left - count)
                    return nil
                }
                self.place = .head
            case .head:
                let before = self.bytes.readableBytes
                if let incoming = try self.readFrame() { return incoming }
                if self.bytes.readableBytes == before { return nil }
            }
        }
    }

    /// SETTINGS without anything; or a GOAWAY, which is a refusal.
    private func readHandshake(_ bytes: inout ByteBuffer) throws(WireError) -> VProxy.Incoming? {
        guard let head = bytes.readVProxyHead() else { return nil }
        if head.type == VProxy.FrameType.goAway.rawValue { return self.readShutdown(head, &bytes) }
        guard head == VProxy.FrameHead(.settings) else {
            throw WireError(.badMagic, in: "handshake", found: "frame of type \(head.type)")
        }
        return .handshake
    }
}

// MARK: Frames

extension FrameReader {
    /// Reads a frame, or the head of a DATA frame; nil also if it means nothing, and then something has been consumed.
    private mutating func readFrame() throws(WireError) -> VProxy.Incoming? {
        var rest = self.bytes
        guard let head = rest.readVProxyHead() else { return nil }
        let incoming: VProxy.Incoming?
        switch VProxy.FrameType(rawValue: head.type) {
        case .data?:
            return try self.readData(head, rest)
        case .headers?:
            incoming = try Self.headers(head)
        case .ping?:
            let count = min(head.length, VProxy.Frame.mostLooked)
            guard let payload = rest.readSlice(length: count) else { return nil }
            incoming = try self.ping(head, payload)
            self.place = head.length > count ? .skipping(head.length - count) : .head
        case .goAway?:
            guard let shutdown = self.readShutdown(head, &rest) else { return nil }
            incoming = shutdown
        case .settings?, nil:
            throw WireError(.unexpected, in: "frame.type", found: "\(head.type)")
        }
        self.bytes = rest
        return incoming
    }

    private func readShutdown(_ head: VProxy.FrameHead, _ bytes: inout ByteBuffer) -> VProxy.Incoming? {
        guard var payload = bytes.readSlice(length: min(head.length, VProxy.Frame.mostLooked)) else { return nil }
        return .shutdown(reason: payload.readVProxyReason(self.dialect))
    }

    private static func check(_ stream: UInt32) throws(WireError) {
        guard stream <= VProxy.Frame.lastStream else {
            throw WireError(.badValue, in: "frame.stream", found: "\(Int32(truncatingIfNeeded: stream))")
        }
    }

    private static func headers(_ head: VProxy.FrameHead) throws(WireError) -> VProxy.Incoming {
        try Self.check(head.stream)
        guard head.length == 0 else { throw WireError(.tooLong, in: "headers.length", found: "\(head.length)") }
        return head.has(VProxy.Frame.over) ? .reset(head.stream) : .open(head.stream, flags: head.flags)
    }

    /// `number u64`, and what may follow; one without a whole number means nothing.
    private func ping(_ head: VProxy.FrameHead, _ payload: ByteBuffer) throws(WireError) -> VProxy.Incoming? {
        let isAnswer = head.has(VProxy.Frame.over)
        if self.isExtended, !isAnswer, head.has(VProxy.Extension.flag) {
            try Self.check(head.stream)
            return .extended(head.stream, try VProxy.ExtendedMessage(payload))
        }
        var payload = payload
        guard let number = payload.readInteger(as: UInt64.self) else { return nil }
        return isAnswer ? .pong(number, extra: payload) : .ping(number, extra: payload)
    }

    // MARK: Data

    private mutating func readData(
        _ head: VProxy.FrameHead, _ rest: ByteBuffer
    ) throws(WireError) -> VProxy.Incoming? {
        try Self.check(head.stream)
        let isLast = head.has(VProxy.Frame.over)
        guard head.length > 0 else {
            self.bytes = rest
            return isLast ? .finish(head.stream) : nil
        }
        guard head.has(VProxy.Frame.gzip) else {
            self.bytes = rest
            self.place = .data(stream: head.stream, left: head.length, isLast: isLast)
            // Nothing has come of it yet: `next` goes on here.
            return self.readPart(head.stream, head.length, isLast)
        }
        // Nobody compresses what that makes longer.
        guard head.length <= self.mostInflated else {
            throw WireError(.tooLong, in: "gzip", found: "\(head.length) bytes, compressed")
        }
        var rest = rest
        guard let payload = rest.readSlice(length: head.length) else { return nil }
        let inflated = try Gzip.decompress(payload, most: self.mostInflated)
        self.bytes = rest
        let end: VProxy.Incoming? = isLast ? .finish(head.stream) : nil
        guard inflated.readableBytes > 0 else { return end }
        self.following = end
        return .data(head.stream, inflated)
    }

    private mutating func readPart(_ stream: UInt32, _ left: Int, _ isLast: Bool) -> VProxy.Incoming? {
        let count = min(left, self.bytes.readableBytes)
        guard count > 0, let part = self.bytes.readSlice(length: count) else { return nil }
        if count < left {
            self.place = .data(stream: stream, left: left - count, isLast: isLast)
        } else {
            self.place = .head
            if isLast { self.following = .finish(stream) }
        }
        return .data(stream, part)
    }
}
