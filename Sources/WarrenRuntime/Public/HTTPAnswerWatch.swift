// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Follows what a device answers on one connection, as far as it must be known which answers are still due, and whether the
/// connection goes on in another protocol. Nothing is changed, and only a part of a head is held back.
///
/// ```
/// head ──1xx──> head
///   ├──101, or 2xx to CONNECT──> switched
///   ├──final──> body ──its end, by its framing──> head
///   └──what is no answer, or nobody's──> unread
/// ```
struct HTTPAnswerWatch {
    private enum Phase: Hashable {
        case head
        case body
        case switched
        /// Nobody can say where answers end from here on.
        case unread
    }

    private struct Due {
        let method: String
        let mayLeaveHTTP: Bool
        let isLast: Bool
    }

    /// How many requests may wait for their answers.
    static let mostDue = 128

    private var phase = Phase.head
    private var scan = HTTPHeadScan.answer
    private var body = HTTPBody.none
    private var held = ByteBuffer()
    private var due = CircularBuffer<Due>()

    /// Something of an answer, or of what is none, has come.
    private(set) var hasBegun = false
    /// A request or its answer has said that nothing follows it.
    private(set) var wasLast = false

    var isFull: Bool { self.due.count >= Self.mostDue }
    var isUnread: Bool { self.phase == .unread }
    var hasSwitched: Bool { self.phase == .switched }
    /// Every request has its answer, and nothing else has come.
    var isAtRest: Bool { self.phase == .head && self.due.isEmpty && self.held.readableBytes == 0 }
    /// Only the last request has no answer yet, and nothing of one has come.
    var hasOneToCome: Bool { self.phase == .head && self.due.count == 1 && self.held.readableBytes == 0 }
    /// The last request may be the end of HTTP here: its answer tells what comes behind it.
    var mayLeaveHTTP: Bool { self.due.last?.mayLeaveHTTP ?? false }
    /// What the visitor asked whom nothing has been answered yet, not even in part.
    var firstUnanswered: String? { self.hasBegun ? nil : self.due.first?.method }
    /// A visitor has a part of an answer and not yet all of it.
    var isUnderWay: Bool { self.phase != .head }

    /// A request goes to the device.
    mutating func expect(_ request: HTTPHost) {
        guard !self.isUnread else { return }
        self.due.append(Due(method: request.method, mayLeaveHTTP: request.mayLeaveHTTP, isLast: request.isLast))
    }

    /// - Returns: what the visitor may have now.
    mutating func follow(_ bytes: ByteBuffer) -> ByteBuffer {
        if bytes.readableBytes > 0 { self.hasBegun = true }
        var rest = self.held
        self.held = ByteBuffer()
        rest.take(bytes)
        let all = rest
        do throws(WireError) {
            while rest.readableBytes > 0, try self.step(&rest) {}
        } catch {
            self.giveUp()
        }
        if self.phase == .unread || self.phase == .switched { return all }
        self.held = rest
        return all.getSlice(at: all.readerIndex, length: all.readableBytes - rest.readableBytes) ?? ByteBuffer()
    }

    /// The device says no more.
    ///
    /// - Returns: what was held back.
    mutating func end() -> ByteBuffer {
        let held = self.held
        self.held = ByteBuffer()
        if !self.hasSwitched { self.giveUp() }
        return held
    }

    private mutating func giveUp() {
        self.phase = .unread
        self.due.removeAll()
    }

    /// - Returns: false where more has to come.
    private mutating func step(_ rest: inout ByteBuffer) throws(WireError) -> Bool {
        switch self.phase {
        case .head:
            guard let length = try self.scan.answerLength(in: rest), let head = rest.readSlice(length: length)
            else { return false }
            self.scan = .answer
            try self.begin(HTTPResponse(head.readableBytesView))
            return true
        case .body:
            _ = try self.body.read(from: &rest)
            self.endIfComplete()
            return true
        case .switched, .unread: return false
        }
    }

    private mutating func begin(_ response: HTTPResponse) throws(WireError) {
        guard !response.isInterim else { return }
        guard let request = self.due.first else { throw WireError(.unexpected, in: "status line") }
        let isConnected = request.method == "CONNECT" && (200..<300).contains(response.code)
        if response.switchesProtocol || isConnected {
            guard request.mayLeaveHTTP else { throw WireError(.unexpected, in: "status line", found: "101") }
            self.phase = .switched
            self.due.removeAll()
            return
        }
        if request.isLast || response.fields.endConnection(minorVersion: response.minorVersion) { self.wasLast = true }
        self.body = try response.body(answering: request.method)
        self.phase = .body
        self.endIfComplete()
    }

    private mutating func endIfComplete() {
        guard self.body.isComplete else { return }
        _ = self.due.popFirst()
        self.phase = .head
    }
}
