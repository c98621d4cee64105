// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// What a session machine wants done next. Plain data: the runtime does it, tests compare it.
public enum SessionAction: Hashable, Sendable {
    /// Put these bytes on the carrier.
    case write(ByteBuffer)
    /// From now on every write is to travel alone, in a segment of its own as long as it fits into one: the peer handles
    /// what comes in one read as one message. Answered with ``SessionMachine/isolated(segment:)`` where the carrier can.
    case isolateWrites
    /// Judge this claim; answer with ``SessionMachine/judged(_:)``.
    case authenticate(Claim)
    /// The handshake is over: streams may be opened.
    case ready
    /// The peer, a relay, lets others reach us in this way.
    case granted(Grant)
    /// Others may ask us for the peer by this name or port: a session at a relay, whose peer has shown that it may have it.
    /// Answered with ``SessionMachine/withheld(_:_:)`` where the peer does not get it.
    case serve(Destination)
    /// No more.
    case withdraw(Destination)
    /// The peer wants a stream; answer with ``SessionMachine/accept(_:)`` or ``SessionMachine/reset(_:_:)``.
    case open(StreamID, StreamRequest)
    /// The peer has accepted a stream that we opened.
    case opened(StreamID)
    /// Payload for a stream, in order; for a UDP stream exactly one datagram.
    case deliver(StreamID, ByteBuffer)
    /// The peer will send no more on this stream; it still takes what we send.
    case finish(StreamID)
    /// The stream is over in both directions and its id is forgotten. Without a fault everything delivered stands and the
    /// end is orderly; with one, what was delivered may be incomplete. Also the answer "no" to a stream that we opened.
    case end(StreamID, StreamFault?)
    /// Send no more on this stream until ``resume(_:)``: its queue is full. What comes all the same is still taken.
    case pause(StreamID)
    case resume(StreamID)
    /// The rest of the carrier *is* this stream: unplug the machine. `leftover` came after the machine's last byte.
    case handOver(StreamID, leftover: ByteBuffer)
    /// The session is over, and with it every stream. What was written before is still sent.
    case close(CloseReason)
}
