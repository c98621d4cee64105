// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The mark of routers on a datagram (RFC 3168).
package enum ECN: UInt8, Hashable, Sendable {
    case unmarked = 0
    case capable1 = 1
    case capable0 = 2
    /// A router on the way had too much to carry.
    case congested = 3
}

/// Both ends of a datagram: whose it is, and which address of ours it was sent to.
package struct DatagramPath: Hashable, Sendable {
    package let peer: PeerAddress
    /// Answers leave from this address of ours; nil where there is no choice.
    package let local: IPAddress?
    /// The number of the interface behind which a link-local peer is; 0 for all others.
    package let interface: UInt32

    package init(_ peer: PeerAddress, local: IPAddress? = nil, interface: UInt32 = 0) {
        self.peer = peer
        self.local = local
        self.interface = interface
    }
}

/// A datagram that has come.
package struct Datagram {
    /// A slice of what came with it. Whoever keeps it keeps up to 64 KiB.
    package let bytes: ByteBuffer
    package let path: DatagramPath
    package let ecn: ECN
}

/// What went wrong with one datagram. The socket goes on.
package enum DatagramFault: Hashable, Sendable {
    /// Nobody listens at the peer a socket is connected to.
    case refused
    /// It does not fit the path; its bytes, or nil where a router said so of an earlier one.
    case tooLong(Int?)
    /// One that came was longer than ``DatagramOptions/largestDatagram``, and is dropped.
    case cut
    /// Any other error number: one that was to leave is dropped.
    case failed(CInt)

    init(_ code: CInt, length: Int?) {
        switch code {
        case ECONNREFUSED: self = .refused
        case EMSGSIZE: self = .tooLong(length)
        default: self = .failed(code)
        }
    }
}

/// Who serves a datagram socket. All of this is called on its loop.
package protocol DatagramWatcher: AnyObject {
    func datagramSocket(_ socket: DatagramSocket, received datagram: Datagram)
    /// All that came in this turn has been told: now is the time for answers.
    func datagramSocketHasReceived(_ socket: DatagramSocket)
    /// Everything that was queued has left.
    func datagramSocketIsWritable(_ socket: DatagramSocket)
    /// - Parameter path: nil where nobody knows, or for the peer the socket is connected to.
    func datagramSocket(_ socket: DatagramSocket, met fault: DatagramFault, with path: DatagramPath?)
}

/// How datagram sockets are set up.
package struct DatagramOptions: Sendable {
    /// Bytes that the system is asked to hold for us each way. It may give less: ``DatagramSocket/receiveBuffer``.
    package var systemBuffer: Int32 = 4 << 20
    /// What is longer is dropped and told.
    package var largestDatagram = 65_535
    /// Bytes of datagrams that wait here for room in the system, each counted with 64 more; beyond that none is taken. The
    /// last one may exceed it where its length was not known before (``DatagramSocket/send(to:_:)``).
    package var mostQueued = 1 << 20
    /// Whether runs of datagrams go through the system as one, where it can.
    package var joins = true
    package var splits = true
    /// What is too long for the path travels in pieces, instead of being refused. For those who cannot send it shorter.
    package var mayFragment = false
    package init() {}
}
