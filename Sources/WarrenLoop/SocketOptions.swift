// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How Warren's TCP sockets are set up, accepted and dialled ones alike.
package struct SocketOptions: Sendable {
    /// The largest single read. Reads go into the loop's one buffer: a large one costs no connection any memory.
    package var largestRead = 256 << 10
    /// Bytes queued for a peer at which its partner stops reading, and goes on again.
    package var highWaterMark = 128 << 10
    package var lowWaterMark = 64 << 10
    /// How a peer is found that has gone without a word. Not for plain relays: their idle time finds it.
    package var keepAlive: KeepAlive?

    /// Where nothing is under way the system asks: dead after idle + 3 × interval. Where data is, it does not ask but
    /// sends again, for a quarter of an hour: there ``LossWatch`` decides (on Darwin the system, by `silence`).
    package struct KeepAlive: Sendable {
        package var idle: Int32 = 12
        package var interval: Int32 = 4
        package var probes: Int32 = 3
        /// Seconds without any answer to what was sent.
        package var silence: Int32 = 20
        package init() {}
    }

    package init() {}

    /// For carriers of sessions: they carry many streams, and nothing else tells that their peer has gone.
    package static var carrier: SocketOptions {
        var options = SocketOptions()
        options.largestRead = 256 << 10
        options.highWaterMark = 128 << 10
        options.lowWaterMark = 64 << 10
        options.keepAlive = KeepAlive()
        return options
    }

    private static let retransmitTime = CInt(0x80)  // TCP_RXT_CONNDROPTIME of Darwin
    private static let noDelay = CInt(1)  // TCP_NODELAY, the same everywhere

    /// Sets what lasts for the life of a socket. Listening ones pass it on to what they accept (Linux).
    package func apply(to descriptor: CInt) {
        Self.set(descriptor, CInt(IPPROTO_TCP), Self.noDelay, 1)
        guard let keepAlive else { return }
        Self.set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        #if os(Linux)
        Self.set(descriptor, CInt(IPPROTO_TCP), CInt(TCP_KEEPIDLE), keepAlive.idle)
        Self.set(descriptor, CInt(IPPROTO_TCP), CInt(TCP_KEEPINTVL), keepAlive.interval)
        Self.set(descriptor, CInt(IPPROTO_TCP), CInt(TCP_KEEPCNT), keepAlive.probes)
        #elseif canImport(Darwin)
        Self.set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPALIVE, keepAlive.idle)
        Self.set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPINTVL, keepAlive.interval)
        Self.set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPCNT, keepAlive.probes)
        Self.set(descriptor, CInt(IPPROTO_TCP), Self.retransmitTime, keepAlive.silence)
        #endif
    }

    /// What an accepted socket did not get from its listener.
    package func applyToAccepted(_ socket: Socket) {
        #if !os(Linux)
        self.apply(to: socket.descriptor)
        #endif
    }

    /// For the socket at the other end of a session's stream. The system tells of room only when a third of what it
    /// holds back has left: for pressure to be felt and told early, that must be little.
    package static func holdBackLittle(_ socket: Socket, most: Int) {
        #if os(Linux)
        Self.set(socket.descriptor, CInt(IPPROTO_TCP), CInt(TCP_NOTSENT_LOWAT), CInt(clamping: most))
        #endif
    }

    /// Sends the acknowledgement that the system would hold back for up to 40 ms.
    package static func acknowledge(_ socket: Socket) {
        #if os(Linux)
        Self.set(socket.descriptor, CInt(IPPROTO_TCP), CInt(TCP_QUICKACK), 1)
        #endif
    }

    /// For a carrier whose peer takes what comes in one read as one message: nothing is taken while something is held back.
    ///
    /// - Returns: how many bytes travel in one segment.
    package static func isolateWrites(_ socket: Socket) -> Int? {
        #if os(Linux)
        Self.set(socket.descriptor, CInt(IPPROTO_TCP), CInt(TCP_NOTSENT_LOWAT), 1)
        #endif
        let segment = cws_get_option(socket.descriptor, CInt(IPPROTO_TCP), CInt(TCP_MAXSEG))
        return segment > 0 ? Int(segment) : nil
    }

    private static func set(_ descriptor: CInt, _ level: CInt, _ name: CInt, _ value: CInt) {
        _ = cws_set_option(descriptor, level, name, value)
    }
}
