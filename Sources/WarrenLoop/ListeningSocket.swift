// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import NIOCore
import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A listening port as one loop sees it.
package final class ListeningSocket: Watched {
    /// Connections that one loop takes at once: few, so that the others get some of a burst.
    private static let perTurn = 16
    /// Out of descriptors: wait for some instead of spinning.
    private static let breath = TimeAmount.milliseconds(100)

    package let descriptor: CInt
    private let loop: SocketLoop
    private let onConnection: (CInt, PeerAddress) -> Void
    private let onShortage: () -> Void
    private var isWatched = false
    private var isClosed = false
    private var pausing: LoopTimer?

    /// - Parameters:
    ///   - onConnection: takes over an accepted descriptor and its peer's address, on the loop.
    ///   - onShortage: told, on the loop, that a connection waits for which the system has no descriptor or no memory.
    package init(
        _ descriptor: CInt, on loop: SocketLoop, onConnection: @escaping (CInt, PeerAddress) -> Void,
        onShortage: @escaping () -> Void = {}
    ) {
        self.descriptor = descriptor
        self.loop = loop
        self.onConnection = onConnection
        self.onShortage = onShortage
    }

    package func start() {
        guard !self.isClosed else { return }
        self.isWatched = self.loop.watch(self, listening: self.descriptor)
        if !self.isWatched { self.takeBreath() }
    }

    /// Closes the port, as far as it is this loop's.
    package func stop() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.pause()
        Self.giveBack(self.descriptor)
    }

    /// Closes a listening descriptor so that its port can be bound again at once. A program that is being started from this
    /// process has a copy of it for a moment, which would keep the port taken.
    package static func giveBack(_ descriptor: CInt) {
        #if os(Linux)
        // Elsewhere the descriptors of all loops are one socket.
        _ = shutdown(descriptor, CInt(SHUT_RDWR))
        #endif
        _ = systemClose(descriptor)
    }

    private func pause() {
        self.pausing?.cancel()
        self.pausing = nil
        guard self.isWatched else { return }
        self.isWatched = false
        self.loop.unwatch(self.descriptor)
    }

    package override func became(_ ready: UInt32) {
        guard self.isWatched else { return }
        for _ in 0..<Self.perTurn where self.isWatched {
            var address = cws_address()
            let descriptor = cws_accept(self.descriptor, &address)
            if descriptor >= 0 {
                self.onConnection(descriptor, PeerAddress(address).unmapped)
                continue
            }
            switch errno {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return self.takeBreath()
            case EAGAIN, EWOULDBLOCK: return
            default: continue  // a connection that was gone before it could be accepted
            }
        }
    }

    private func takeBreath() {
        self.onShortage()
        self.pause()
        self.pausing = self.loop.timer(in: Self.breath) { self.start() }
    }
}

extension ListeningSocket {
    /// Binds and listens with so many sockets, among which the system spreads the connections.
    ///
    /// - Parameter options: set on the listener, from which accepted sockets inherit them.
    /// - Returns: as many descriptors; where the system cannot spread, they are one socket.
    /// - Throws: `IOError`.
    package static func bind(to address: PeerAddress, times: Int, options: SocketOptions) throws -> [CInt] {
        #if os(Linux)
        return try Self.spread(over: address, times: times) { address, isShared in
            try Self.bind(to: address, options: options, shared: isShared)
        }
        #else
        let first = try Self.bind(to: address, options: options)
        return [first] + (1..<max(1, times)).map { _ in dup(first) }
        #endif
    }

    #if os(Linux)
    /// Binds so many sockets to one port. The first one has it for itself before it shares it: who asks for a port to share may
    /// be given one that another process shares, and the system would spread its peers over both.
    ///
    /// - Parameter bind: to an address, to share its port with others or not.
    static func spread(
        over address: PeerAddress, times: Int, bind: (PeerAddress, _ isShared: Bool) throws -> CInt
    ) throws -> [CInt] {
        let first = try bind(address, false)
        var bound = [first]
        guard times > 1 else { return bound }
        do {
            guard cws_set_option(first, SOL_SOCKET, SO_REUSEPORT, 1) == 0 else {
                throw IOError(errnoCode: errno, reason: "share the port")
            }
            var address = address
            address.port = Self.localAddress(of: first)?.port ?? address.port
            while bound.count < times { bound.append(try bind(address, true)) }
        } catch {
            for descriptor in bound { _ = systemClose(descriptor) }
            throw error
        }
        return bound
    }
    #endif

    private static func bind(
        to address: PeerAddress, options: SocketOptions, shared: Bool = false
    ) throws -> CInt {
        let descriptor = cws_socket(address.system.version)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        _ = cws_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if shared { _ = cws_set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        if address.address == IPAddress(high: 0, low: 0) { _ = cws_take_both_families(descriptor) }
        options.apply(to: descriptor)
        for (name, call) in [("bind", { cws_bind($0, address.system) }), ("listen", { listen($0, 4096) })] {
            guard call(descriptor) == 0 else {
                let code = errno
                _ = systemClose(descriptor)
                throw IOError(errnoCode: code, reason: name)
            }
        }
        return descriptor
    }

    /// Where a bound descriptor listens.
    package static func localAddress(of descriptor: CInt) -> PeerAddress? {
        var address = cws_address()
        return cws_local_address(descriptor, &address) == 0 ? PeerAddress(address) : nil
    }
}
