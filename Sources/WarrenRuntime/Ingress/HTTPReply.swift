// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// What an origin answers to one request, on its way to the user.
///
/// ```
/// head ──1xx──> head          (passed on; not to a user of HTTP/1.0)
///   ├──101, asked for──> switched
///   └──final──> body ──its end, by its framing──> complete
/// ```
struct HTTPReply {
    private enum Phase: Hashable {
        case head
        case body
        case switched
        case complete
    }

    private let request: HTTPRequest
    private let mayUpgrade: Bool
    private var phase = Phase.head
    private var scan = HTTPHeadScan.answer
    private var interim = 0
    private var head = ByteBuffer()
    private var body = HTTPBody.none
    private var unchunks = false
    private var arrived = CircularBuffer<ByteBuffer>()
    /// Bytes that have come and not been given on.
    private(set) var queued = 0
    /// What becomes of the user's connection, once that has been said.
    private(set) var persistence: HTTPPersistence?

    init(to request: HTTPRequest) {
        self.request = request
        self.mayUpgrade = !request.upgrades.isEmpty
    }

    var isComplete: Bool { self.phase == .complete }
    /// The origin goes on in another protocol, and what it has sent in it so far has been given on.
    var hasSwitched: Bool { self.phase == .switched && self.queued == 0 }
    /// The user has a part of the answer and not yet all of it.
    var isUnderWay: Bool { self.phase == .body || self.phase == .switched }
    /// Bytes have come that are no whole head.
    var hasPartOfHead: Bool { self.phase == .head && self.queued > 0 }

    mutating func receive(_ bytes: ByteBuffer) {
        guard !self.isComplete, bytes.readableBytes > 0 else { return }
        self.arrived.append(bytes)
        self.queued += bytes.readableBytes
    }

    /// The origin will send no more: where nothing else tells the body's end, this is it.
    mutating func receiveEnd() {
        if self.phase == .body && self.body.lastsUntilEnd && self.queued == 0 { self.phase = .complete }
    }

    mutating func dropQueued() {
        self.arrived.removeAll()
        self.head = ByteBuffer()
        self.queued = 0
    }

    /// The next piece for the user; nil when more has to come.
    ///
    /// - Parameter allowed: what may become of the user's connection if the answer's own end can be seen.
    /// - Throws: ``WireError`` for an answer that nobody can read safely.
    mutating func next(_ allowed: HTTPPersistence) throws(WireError) -> ByteBuffer? {
        switch self.phase {
        case .head: return try self.nextHead(allowed)
        case .body: return try self.nextOfBody()
        case .switched:
            guard let piece = self.arrived.popFirst() else { return nil }
            self.queued -= piece.readableBytes
            return piece
        case .complete: return nil
        }
    }

    private mutating func nextHead(_ allowed: HTTPPersistence) throws(WireError) -> ByteBuffer? {
        while let piece = self.arrived.popFirst() { self.head.take(piece) }
        while let length = try self.scan.answerLength(in: self.head), let bytes = self.head.readSlice(length: length) {
            self.scan = HTTPHeadScan.answer
            self.queued -= length
            let response = try HTTPResponse(bytes.readableBytesView)
            if response.isInterim {
                self.interim += 1
                guard self.interim <= HTTPResponse.mostInterim else { throw WireError(.tooLong, in: "interim answers") }
                guard self.request.minorVersion > 0 else { continue }
                return response.forwarded(.asItIs, nil)
            }
            return try self.begin(response, allowed)
        }
        return nil
    }

    private mutating func begin(_ response: HTTPResponse, _ allowed: HTTPPersistence) throws(WireError) -> ByteBuffer {
        if self.head.readableBytes > 0 { self.arrived.prepend(self.head) }
        self.head = ByteBuffer()
        if response.switchesProtocol {
            guard self.mayUpgrade else { throw WireError(.unexpected, in: "status line", found: "101") }
            self.phase = .switched
            return response.forwarded(.asItIs, nil)
        }
        self.body = try response.body(answering: self.request.method)
        self.unchunks = self.body.isChunked && self.request.minorVersion == 0
        guard !self.unchunks || response.codings == ["chunked"] else {
            throw WireError(.unexpected, in: "Transfer-Encoding", found: "a coding that HTTP/1.0 does not have")
        }
        let persistence = self.unchunks || self.body.lastsUntilEnd ? .close : allowed
        self.persistence = persistence
        self.phase = .body
        let head = response.forwarded(self.unchunks ? .unchunked : .asItIs, persistence)
        self.endIfComplete()
        return head
    }

    private mutating func nextOfBody() throws(WireError) -> ByteBuffer? {
        while var piece = self.arrived.popFirst() {
            let count = piece.readableBytes
            let content = self.unchunks ? try self.body.readContent(from: &piece) : try self.body.read(from: &piece)
            self.queued -= count - piece.readableBytes
            if piece.readableBytes > 0 { self.arrived.prepend(piece) }
            self.endIfComplete()
            if let content { return content }
            if self.isComplete { return nil }
        }
        return nil
    }

    /// What an origin says behind its answer is nobody's.
    private mutating func endIfComplete() {
        guard self.body.isComplete else { return }
        self.phase = .complete
        self.dropQueued()
    }
}
