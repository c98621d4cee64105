// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// One end of one protocol session, without sockets, clocks, locks or tasks.
///
/// Commands (`receive`, `send`, `accept`, …) only change the machine; ``next(now:writable:)`` alone speaks. The driver
/// gives a command, then pulls steps until nil. Performing a step may lead to further commands: they are safe at any
/// moment, because nothing comes out of them, and the pull that is under way sees their effect.
///
/// What a driver asks in every turn is `mutating`, although nothing changes: asked in place, a machine is not copied.
///
/// Peer input never throws and never traps: a violation is a ``SessionAction/close(_:)`` step. After that every call is
/// without effect and `next` returns nil. Commands for streams that are gone are ignored: both ends may close at once.
public protocol SessionMachine {
    /// When `next` must be called though nothing has happened; nil means never.
    var deadline: NIODeadline? { mutating get }
    /// It has something to say at once though nothing happens on its carrier: credit for what a reader has taken.
    var wantsTurn: Bool { mutating get }
    /// False while the driver should leave further bytes on the carrier. What comes all the same is taken.
    var wantsBytes: Bool { mutating get }
    /// The peer keeps a short message back until the last one is acknowledged (Nagle's algorithm, as Java leaves it on): the
    /// driver has that done at once.
    var peerHoldsBack: Bool { get }
    /// False while an orderly end of the carrier would make a part look like all: whoever ends the session from outside
    /// resets it then.
    var mayEndInOrder: Bool { get }
    /// There is nothing but one stream that the peer asked for and that waits for its answer: the session may go on on another
    /// thread, with nothing but its carrier and the machine.
    var mayMove: Bool { get }
    /// How much of what it grants the peer says, from ``SessionAction/ready`` on.
    var grantList: GrantList { get }

    /// The carrier is up. Called once, first.
    mutating func start(now: NIODeadline)
    /// Carrier bytes, in order. Parses as late as it can and cannot fail.
    mutating func receive(_ bytes: ByteBuffer)
    /// The peer will send no more carrier bytes.
    mutating func receiveEnd()
    /// The next single step; nil means "feed me". While `writable` is false no stream payload is written.
    mutating func next(now: NIODeadline, writable: Bool) -> SessionAction?

    /// Whether ``send(_:on:)`` still finds room in the stream's queue. Says at once what ``SessionAction/pause(_:)`` says
    /// in the next step, so that a source does not read once too often. Once false, a ``SessionAction/resume(_:)`` must
    /// follow.
    mutating func hasRoom(on stream: StreamID) -> Bool

    /// Answers ``SessionAction/isolateWrites``: so many bytes fit into one segment.
    mutating func isolated(segment: Int)
    /// Answers ``SessionAction/authenticate(_:)``.
    mutating func judged(_ verdict: Verdict)
    /// Answers ``SessionAction/serve(_:)``: the peer does not get it. Also later, when another takes it over.
    mutating func withheld(_ destination: Destination, _ reason: Withholding)
    /// Opens a stream toward the peer; ``SessionAction/opened(_:)`` or ``SessionAction/end(_:_:)`` follows.
    ///
    /// - Throws: the reason why there can be none now (limit, unsupported destination, session not ready).
    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID
    /// The stream that the peer opened has reached its destination.
    mutating func accept(_ stream: StreamID)
    /// Queues payload for the peer; for a UDP stream exactly one datagram.
    mutating func send(_ bytes: ByteBuffer, on stream: StreamID)
    /// No more payload will be sent; the peer may still send.
    mutating func finish(_ stream: StreamID)
    /// Ends the stream in both directions and drops what is queued, or refuses one that the peer opened. Nil is an
    /// orderly end: the peer has had all it should.
    mutating func reset(_ stream: StreamID, _ fault: StreamFault?)
    /// So many of the delivered bytes have left for the stream's other end.
    mutating func consumed(_ count: Int, on stream: StreamID)

    /// It wants ``acknowledged(upTo:)``, which only some carriers can tell.
    var hearsAcknowledgements: Bool { mutating get }
    /// The carrier's other end has so many of the bytes that were written, counted from the first one.
    mutating func acknowledged(upTo count: UInt64)
    /// The session ends of our own accord.
    ///
    /// - Returns: true where the protocol has last words: the next steps write them, and the one behind them is
    ///   ``SessionAction/close(_:)``.
    mutating func shutDown() -> Bool
}

/// What a machine without streams of its own, or of one direction only, need not say.
extension SessionMachine {
    public var wantsTurn: Bool { false }
    public var wantsBytes: Bool { true }
    public var peerHoldsBack: Bool { false }
    public var mayEndInOrder: Bool { true }
    public var mayMove: Bool { false }
    public var grantList: GrantList { .whole }
    public func hasRoom(on stream: StreamID) -> Bool { true }
    public mutating func isolated(segment: Int) {}
    public mutating func judged(_ verdict: Verdict) {}
    public mutating func withheld(_ destination: Destination, _ reason: Withholding) {}
    public mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        throw .unsupported
    }
    public mutating func accept(_ stream: StreamID) {}
    public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {}
    public mutating func finish(_ stream: StreamID) {}
    public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {}
    public mutating func consumed(_ count: Int, on stream: StreamID) {}
    public var hearsAcknowledgements: Bool { false }
    public mutating func acknowledged(upTo count: UInt64) {}
    public mutating func shutDown() -> Bool { false }
}
