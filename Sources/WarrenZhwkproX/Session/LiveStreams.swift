// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The streams of a session whose login is through, as one of the ends keeps them in one of the two languages.
protocol Streams {
    var common: Multiplexer { get set }
    /// When ``next(now:writable:)`` must be called though nothing has happened.
    var deadline: NIODeadline? { mutating get }
    var wantsTurn: Bool { mutating get }
    var wantsBytes: Bool { mutating get }
    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction?
    mutating func receive(_ bytes: ByteBuffer)
    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID
    mutating func accept(_ stream: StreamID)
    mutating func finish(_ stream: StreamID)
    mutating func reset(_ stream: StreamID, _ fault: StreamFault?)
    mutating func consumed(_ count: Int, on stream: StreamID)
}

extension Streams {
    mutating func receive(_ bytes: ByteBuffer) { self.common.receive(bytes) }
    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        throw .unsupported
    }
    mutating func accept(_ stream: StreamID) {}
}

/// The streams of a machine: none before the login is through, then those of the language it has led to.
///
/// Boxed, as machines are copied to be asked. Not an enum, as taking a box out of it would share what is in it.
struct LiveStreams<Plain: Streams> {
    private(set) var plain: Boxed<Plain>?
    private var extended: Boxed<ExtendedStreams>?

    init() {}
    init(plain: Plain) { self.plain = Boxed(plain) }
    init(extended: ExtendedStreams) { self.extended = Boxed(extended) }

    var exist: Bool { self.plain != nil || self.extended != nil }
    var isExtended: Bool { self.extended != nil }
    var deadline: NIODeadline? { self.plain?.ask { $0.deadline } ?? self.extended?.ask { $0.deadline } }
    var wantsTurn: Bool { self.plain?.ask { $0.wantsTurn } ?? self.extended?.ask { $0.wantsTurn } ?? false }
    var wantsBytes: Bool { self.plain?.ask { $0.wantsBytes } ?? self.extended?.ask { $0.wantsBytes } ?? true }
    var isInsideMessage: Bool {
        self.plain?.value.common.isInsideMessage ?? self.extended?.value.common.isInsideMessage ?? false
    }

    func hasRoom(on stream: StreamID) -> Bool {
        self.plain?.value.common.hasRoom(on: stream) ?? self.extended?.value.common.hasRoom(on: stream) ?? true
    }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        if self.plain != nil { return try self.plain?.value.next(now: now, writable: writable) }
        return try self.extended?.value.next(now: now, writable: writable)
    }

    /// The path takes so many bytes in one segment; `pieces` is what the configuration says instead.
    mutating func isolated(segment: Int, _ pieces: Int?) {
        guard pieces == nil else { return }
        self.plain?.value.common.pieces = ZhwkproX.pieces(of: segment)
    }

    mutating func isPeerGone(now: NIODeadline) -> Bool { self.extended?.value.isPeerGone(now: now) ?? false }

    mutating func receive(_ bytes: ByteBuffer) {
        self.plain?.value.receive(bytes)
        self.extended?.value.receive(bytes)
    }

    /// - Throws: `sessionLost` where there are none.
    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        if let stream = try self.plain?.value.open(request, now: now) { return stream }
        if let stream = try self.extended?.value.open(request, now: now) { return stream }
        throw .sessionLost
    }

    mutating func accept(_ stream: StreamID) {
        self.plain?.value.accept(stream)
        self.extended?.value.accept(stream)
    }

    mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        self.plain?.value.common.send(bytes, on: stream)
        self.extended?.value.common.send(bytes, on: stream)
    }

    mutating func finish(_ stream: StreamID) {
        self.plain?.value.finish(stream)
        self.extended?.value.finish(stream)
    }

    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        self.plain?.value.reset(stream, fault)
        self.extended?.value.reset(stream, fault)
    }

    mutating func consumed(_ count: Int, on stream: StreamID) {
        self.plain?.value.consumed(count, on: stream)
        self.extended?.value.consumed(count, on: stream)
    }
}
