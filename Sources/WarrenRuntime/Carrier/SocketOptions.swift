// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOPosix

/// How Warren's TCP sockets are set up, accepted and dialled ones alike.
package struct SocketOptions: Sendable {
    /// The largest single read; reads start small and grow only while they come back full.
    package var largestRead = 512 << 10
    /// The same for the source of a session's stream: it has the carrier not for itself, and what it reads ahead waits in
    /// the stream's queue.
    private static let largestReadForStream = 128 << 10
    /// Bytes that the system holds back for a reader beyond what is on its way.
    private static let mostUnsentForStream = 128 << 10
    /// More than one lets a fast peer get ahead of the pressure it should feel.
    package var readsPerBurst: UInt = 1
    /// Bytes queued for a peer at which its partner stops reading, and goes on again.
    package var highWaterMark = 128 << 10
    package var lowWaterMark = 64 << 10
    /// A dead peer is noticed after about idle + 3 × interval.
    package var keepAlive: KeepAlive?

    package struct KeepAlive: Sendable {
        package var idle: Int = 15
        package var interval: Int = 5
        package var probes: Int = 3
        package init() {}
    }

    package init() {}

    /// For carriers of sessions: they carry many streams, and nothing else tells that their peer has gone.
    package static var carrier: SocketOptions {
        var options = SocketOptions()
        options.largestRead = 512 << 10
        options.highWaterMark = 512 << 10
        options.lowWaterMark = 256 << 10
        options.keepAlive = KeepAlive()
        return options
    }

    /// For the socket at the other end of a session's stream: small steps, so that pressure is felt and told early.
    static func applyForStream(to channel: any Channel) {
        guard let options = channel.syncOptions else { return }
        try? options.setOption(.recvAllocator, value: Self.reads(upTo: Self.largestReadForStream))
        #if os(Linux)
        // TCP_NOTSENT_LOWAT: otherwise the system tells of room only when a third of some megabytes has been read.
        try? options.setOption(.tcpOption(.init(rawValue: 25)), value: Self.mostUnsentForStream)
        #endif
    }

    /// Reads that start small and grow only while they come back full.
    static func reads(upTo most: Int) -> any RecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 4096, maximum: most)
    }

    /// To be called on the channel's loop before it is active.
    package func apply(to channel: any Channel) throws {
        guard let options = channel.syncOptions else { return }
        try options.setOption(.autoRead, value: false)
        try options.setOption(.allowRemoteHalfClosure, value: true)
        try options.setOption(.maxMessagesPerRead, value: self.readsPerBurst)
        try options.setOption(.recvAllocator, value: Self.reads(upTo: self.largestRead))
        try options.setOption(.writeBufferWaterMark, value: .init(low: self.lowWaterMark, high: self.highWaterMark))
        try options.setOption(.tcpOption(.tcp_nodelay), value: 1)
        try options.setOption(.socketOption(.so_keepalive), value: 1)
        #if os(Linux)
        if let keepAlive {
            try options.setOption(.tcpOption(.init(rawValue: 4)), value: keepAlive.idle)  // TCP_KEEPIDLE
            try options.setOption(.tcpOption(.init(rawValue: 5)), value: keepAlive.interval)  // TCP_KEEPINTVL
            try options.setOption(.tcpOption(.init(rawValue: 6)), value: keepAlive.probes)  // TCP_KEEPCNT
        }
        #endif
    }
}
