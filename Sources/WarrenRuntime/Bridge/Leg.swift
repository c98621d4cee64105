// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// One end of a relayed stream, or what carries a session: a socket, a socket behind a pipeline of handlers, or a stream
/// of another session. Every call and every event is on one event loop.
package protocol Leg: AnyObject {
    /// Who is told what happens here; exchanged when a carrier becomes a stream.
    var events: (any LegEvents)? { get set }
    /// The far end, where it is a connection.
    var peer: SocketAddress? { get }
    /// Whether a write finds room. A write that does not is still taken: the other end stops soon.
    var isWritable: Bool { get }
    /// Bytes that were written and have not left, as far as is known: if it changes, the far end takes something.
    var waiting: Int { get }
    /// It is one of many on a carrier, or between two loops: whoever keeps what waits for it must know what its reader
    /// takes, early and in small steps.
    var isOneOfMany: Bool { get }
    /// What a write has to wait for, in a word for people; nil if it finds room.
    var obstacle: String? { get }
    /// The connection that this leg is, without anything around it.
    var plainSocket: SocketLeg? { get }
    /// It leads to a connection that was made in advance, on which nobody's stream goes yet.
    var waitsForUse: Bool { get }

    /// Starts the flow of events to ``events``: first what was put back, then the end of the input if that has come
    /// already. Called again when a carrier becomes a stream.
    func begin()
    /// Puts bytes back that were read too far: they come first at the next ``begin()``.
    func unread(_ bytes: ByteBuffer)
    func write(_ bytes: ByteBuffer)
    /// Sends what was written: once per burst of writes.
    func flush()
    /// Stops or continues reading from this leg. Never delivers anything before it returns.
    func setReading(_ reading: Bool)
    /// Takes no more than this at once from now on; nil for as much as it likes.
    func readAtMost(_ count: Int?)
    /// From now on each write leaves alone, and none is offered to the system while it holds back another.
    ///
    /// - Returns: how many bytes travel in one segment; nil where that cannot be known, or not be had.
    func isolateWrites() -> Int?
    /// Tells the far end now what has been received, which the system may put off.
    func acknowledge()
    /// So many of the bytes received have gone on, so that the far end may send as many more. A connection needs no such
    /// word: what it does not read waits with the system.
    func consumed(_ count: Int)
    /// Somebody's stream goes over this connection from now on.
    func comesIntoUse()
    /// No more will be written; what was written still leaves. The leg may go on receiving.
    func finish()
    /// Both directions are over. Nil lets everything written leave first; a fault drops it and resets.
    func end(_ fault: StreamFault?)
}

extension Leg {
    package var peer: SocketAddress? { nil }
    package func isolateWrites() -> Int? { nil }
    package func acknowledge() {}
    package func readAtMost(_ count: Int?) {}
    package func consumed(_ count: Int) {}
    package var waitsForUse: Bool { false }
    package func comesIntoUse() {}
    package var waiting: Int { 0 }
    package var isOneOfMany: Bool { false }
    package var plainSocket: SocketLeg? { nil }
    package var obstacle: String? { self.isWritable ? nil : self.isOneOfMany ? "window" : "reader" }

    /// Gives up a leg that nobody will use.
    package func discard() { self.end(.aborted) }
}

/// What a leg does for those who hear its events; each costs a little.
package struct LegNeeds: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Bytes are kept beyond the call, so they must not keep more memory than their own alive.
    package static let ownBytes = LegNeeds(rawValue: 1)
    /// ``LegEvents/sent(_:by:)`` is of use.
    static let counts = LegNeeds(rawValue: 2)
    /// Reads and unsent bytes in small steps: the other end is one of many streams, and pressure must be told early.
    static let smallSteps = LegNeeds(rawValue: 4)
    /// ``LegEvents/finished(by:)`` is told even while reading is off and bytes before the end are unread.
    static let earlyEnd = LegNeeds(rawValue: 8)
    /// What the peer sent before a reset is told though a write finds the reset first; the end comes behind it.
    package static let lastWords = LegNeeds(rawValue: 16)
    /// Nothing is told while reading is off, also where the bytes are here already. A relay can do without: its other end
    /// keeps what it cannot pass on.
    static let pauses = LegNeeds(rawValue: 32)
}

/// What a leg tells its relay, or its session.
package protocol LegEvents: AnyObject {
    var needs: LegNeeds { get }

    func received(_ bytes: ByteBuffer, by leg: any Leg)
    /// Nothing more for the moment.
    func receivedBurst(by leg: any Leg)
    /// The plain connection to which everything that this leg receives goes unchanged, if that is so.
    func plainTarget(of leg: any Leg) -> SocketLeg?
    /// So many bytes went to the plain target by themselves: a whole burst.
    func spliced(_ count: Int, by leg: any Leg)
    /// The far side of this leg will send no more.
    func finished(by leg: any Leg)
    /// So many of the bytes written have left the process.
    func sent(_ count: Int, by leg: any Leg)
    func writabilityChanged(of leg: any Leg)
    /// Said before the end of a leg of which more is known than a fault tells.
    func failed(by error: any Error)
    /// The leg is gone. The last event of a leg.
    func ended(_ leg: any Leg, _ fault: StreamFault?)
}

extension LegEvents {
    package func plainTarget(of leg: any Leg) -> SocketLeg? { nil }
    package func spliced(_ count: Int, by leg: any Leg) {}
    package func failed(by error: any Error) {}
}
