// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// Names one carrier that a ``RendezvousMachine`` was given; meaningless outside it, and never used again.
public struct CarrierID: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public var description: String { "carrier \(self.rawValue)" }
}

/// A service that joins carriers in pairs, without sockets, clocks, locks or tasks: one machine for all its carriers.
///
/// As with a ``SessionMachine``, commands only change the machine and ``next(now:)`` alone speaks. Commands for carriers
/// that are gone are ignored.
public protocol RendezvousMachine {
    /// When `next` must be called though nothing has happened; nil means never.
    var deadline: NIODeadline? { get }

    /// A carrier is up. Called once for each, first.
    ///
    /// - Parameter address: where it comes from; nil where that says nothing (this machine itself).
    mutating func arrive(_ carrier: CarrierID, from address: IPAddress?, now: NIODeadline)
    /// Carrier bytes, in order. Parses as late as it can and cannot fail.
    mutating func receive(_ bytes: ByteBuffer, from carrier: CarrierID)
    /// The carrier is gone, its peer will send no more, or the pair it was part of has ended.
    mutating func leave(_ carrier: CarrierID)
    /// The next single step; nil means "feed me".
    mutating func next(now: NIODeadline) -> RendezvousAction?
}

/// What a rendezvous machine wants done next.
public enum RendezvousAction: Hashable, Sendable {
    /// Put these bytes on the carrier, in one write.
    case write(CarrierID, ByteBuffer)
    /// The carrier waits for its partner: leave what it sends where it is, and tell of its end.
    case park(CarrierID)
    /// The two are one connection from here on: relay between them as they are. The machine hears of both when that has
    /// ended (``RendezvousMachine/leave(_:)``).
    case pair(Pair)
    /// Close the carrier when what was written has left. The machine has forgotten it.
    case close(CarrierID, CloseReason)

    /// Two carriers that have met.
    public struct Pair: Hashable, Sendable {
        /// Who came to a partner that waited.
        public var front: CarrierID
        /// Who waited.
        public var back: CarrierID
        /// What each had sent already and the other must get first.
        public var fromFront: ByteBuffer
        public var fromBack: ByteBuffer
        /// Where they met, for logs.
        public var meeting: String

        public init(
            front: CarrierID, back: CarrierID, fromFront: ByteBuffer, fromBack: ByteBuffer, meeting: String
        ) {
            self.front = front
            self.back = back
            self.fromFront = fromFront
            self.fromBack = fromBack
            self.meeting = meeting
        }
    }
}
