// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
package import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A UDP socket on its loop: tells what comes, collects what is to leave, and loses nothing without a word but what the
/// network loses.
///
/// ```
/// system ─recvmmsg, GRO─> intake of the loop ─slices─> watcher
/// send, send, … ─> burst ─flush, at the end of the round─> runs ─sendmmsg, GSO─> system
/// ```
///
/// A turn tells about 256 datagrams, then others have theirs.
package final class DatagramSocket: Watched {
    package let descriptor: CInt
    package let loop: SocketLoop
    package let options: DatagramOptions
    /// The peer that the socket is connected to; nil if it takes datagrams from everybody.
    package let peer: PeerAddress?
    /// Kept until the socket is closed.
    package var watcher: (any DatagramWatcher)?
    package private(set) var isClosed = false
    /// False while datagrams wait here for room in the system.
    package internal(set) var isWritable = true
    /// The system hands over runs of datagrams as one, and takes them so.
    package let joins: Bool
    package internal(set) var splits: Bool

    var isReadable = false
    var burst = DatagramBurst()
    var isFlushing = false
    var isCollecting = false
    var willFlush = false
    /// A sender was turned away, and waits to be told of room.
    var owesWord = false
    var watchesWriting = false
    /// The last messages were runs: fewer of them make a turn.
    var sawRuns = false
    var retrying: LoopTimer?
    private var isBusy = false

    /// - Parameters:
    ///   - descriptor: of ``bind(to:times:options:)``; closed if nil is returned.
    ///   - peer: that it is connected to.
    /// - Returns: nil if the loop cannot watch it.
    package init?(
        _ descriptor: CInt, on loop: SocketLoop, options: DatagramOptions = .init(), peer: PeerAddress? = nil
    ) {
        self.descriptor = descriptor
        self.loop = loop
        self.options = options
        self.peer = peer
        self.joins = options.joins && cws_join_datagrams(descriptor) == 0
        self.splits = options.splits && cws_can_split_datagrams(descriptor) != 0
        super.init()
        guard loop.watch(self, descriptor, writing: false) else {
            _ = systemClose(descriptor)
            return nil
        }
    }

    package override func became(_ ready: UInt32) {
        guard !self.isClosed else { return }
        // An error is learnt by reading.
        if ready & (Ready.readable | Ready.failed) != 0 { self.isReadable = true }
        if ready & Ready.writable != 0 { self.becameWritable() }
        if self.isReadable { self.receive() }
    }

    /// Goes on when everybody else has had a turn.
    func again() {
        guard !self.isBusy, !self.isClosed else { return }
        self.isBusy = true
        self.loop.again(self)
    }

    package override func serve() {
        self.isBusy = false
        guard !self.isClosed else { return }
        if !self.burst.isEmpty { self.flush() }
        if self.isReadable, !self.isClosed { self.receive() }
    }

    /// Puts out what the system takes at once, and closes.
    package func close() {
        guard !self.isClosed else { return }
        self.flush()
        guard !self.isClosed else { return }
        self.isClosed = true
        self.retrying?.cancel()
        self.loop.forget(self.descriptor)
        _ = systemClose(self.descriptor)
        self.watcher = nil
        self.burst = DatagramBurst()
    }

    func tell(_ fault: DatagramFault, _ path: DatagramPath?) {
        self.watcher?.datagramSocket(self, met: fault, with: path)
    }
}

// MARK: - Facts

extension DatagramSocket {
    package var localAddress: PeerAddress? { ListeningSocket.localAddress(of: self.descriptor) }

    /// Bytes that the system holds for us before it drops what comes, as it counts them.
    package var receiveBuffer: Int { Int(max(0, cws_get_option(self.descriptor, SOL_SOCKET, SO_RCVBUF))) }

    /// Sets the mark of all that leaves from now on.
    package func mark(_ ecn: ECN) {
        guard let version = self.localAddress?.system.version else { return }
        _ = cws_mark_datagrams(self.descriptor, version, ecn.rawValue)
    }
}

// MARK: - Opening

extension DatagramSocket {
    /// Binds as many sockets to one port, one for each loop, each of which gets the datagrams of some peers.
    ///
    /// - Returns: that many descriptors; a single one where the system cannot tell peers apart (all but Linux).
    /// - Throws: `IOError`.
    package static func bind(to address: PeerAddress, times: Int, options: DatagramOptions) throws -> [CInt] {
        #if os(Linux)
        return try ListeningSocket.spread(over: address, times: times) { address, isShared in
            try Self.bind(to: address, options: options, isShared: isShared)
        }
        #else
        return [try Self.bind(to: address, options: options, isShared: false)]
        #endif
    }

    private static func bind(to address: PeerAddress, options: DatagramOptions, isShared: Bool) throws -> CInt {
        let isWildcard = address.address.high == 0 && address.address.low == 0
        return try Self.open(address, options, "bind") { descriptor, system in
            if isShared { _ = cws_set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
            if isWildcard {
                if system.version == 6 { _ = cws_take_both_families(descriptor) }
                cws_tell_asked_addresses(descriptor, system.version)
            }
            return cws_bind(descriptor, system)
        }
    }

    /// A socket on a port of its own that hears one peer only, and of whether somebody listens there.
    ///
    /// - Parameter local: the address of ours to send from; nil for what the system chooses.
    /// - Throws: `IOError`.
    package static func dial(
        to peer: PeerAddress, from local: IPAddress? = nil, on loop: SocketLoop, options: DatagramOptions = .init()
    ) throws -> DatagramSocket {
        let descriptor = try Self.open(peer, options, "connect") { descriptor, system in
            if let local {
                let bound = cws_bind(descriptor, PeerAddress(local, port: 0).system)
                guard bound == 0 else { return bound }
            }
            return cws_connect(descriptor, system)
        }
        guard let socket = DatagramSocket(descriptor, on: loop, options: options, peer: peer) else {
            throw IOError(errnoCode: errno, reason: "watch")
        }
        return socket
    }

    private static func open(
        _ address: PeerAddress, _ options: DatagramOptions, _ name: String, _ call: (CInt, cws_address) -> CInt
    ) throws -> CInt {
        let system = address.system
        let descriptor = cws_datagram_socket(system.version)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        cws_set_up_datagrams(descriptor, system.version, options.systemBuffer)
        if options.mayFragment { cws_let_fragment(descriptor, system.version) }
        guard call(descriptor, system) == 0 else {
            let code = errno
            _ = systemClose(descriptor)
            throw IOError(errnoCode: code, reason: name)
        }
        return descriptor
    }
}
