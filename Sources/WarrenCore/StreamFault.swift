// SPDX-License-Identifier: Apache-2.0

/// Why one stream could not be opened or ended before its time. The session goes on.
///
/// Inbounds map these to their own codes (SOCKS reply, HTTP status, jProxy connect status); logs print ``rawValue``.
public enum StreamFault: String, Error, Hashable, Sendable, CaseIterable {
    /// The target answered "no" (connection refused).
    case refused
    /// No route, or the network or host is down.
    case unreachable
    case unknownHost = "unknown host"
    /// The target did not answer in time.
    case timedOut = "timed out"
    /// The egress policy or the peer's rules forbid it.
    case notAllowed = "not allowed"
    /// A limit of ours or of the peer's: streams, ids, queues.
    case limit = "limit reached"
    /// Its reader took nothing for too long and held up the tunnel.
    case stalled = "reader stalled"
    /// Nothing was sent or received for the idle time.
    case idle
    /// Reset by one of the two ends.
    case aborted = "reset"
    /// The session that carried it is gone, or cannot be had.
    case sessionLost = "tunnel lost"
    /// Nobody has come who could take it where it goes.
    case noExit = "no exit is connected"
    /// The server that was asked for this one stream cannot be had, or went away without a word.
    case noServer = "server unavailable"
    /// The protocol or this build cannot carry it (UDP over a TCP-only tunnel, say).
    case unsupported
    /// Ended by our own shutdown.
    case shutdown = "shutting down"
    /// Anything the peer did not explain.
    case failed
}

extension StreamFault {
    /// The outbound cannot take any stream now; another one may.
    public var isOutboundDown: Bool { self == .sessionLost || self == .noExit || self == .noServer }

    /// What its sender said before is still meant for the reader: an origin that refuses an upload answers, and closes over
    /// the rest of it. The other faults are ours or say that nobody waits any more.
    public var comesBehindBytes: Bool { self == .aborted }
}
