// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import Foundation
import NIOCore
import Synchronization
import WarrenCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The process's standard input and output as the far end of a leg.
///
/// Either may be a file or a terminal, which no event queue watches: so two threads carry the bytes, waiting where the
/// system makes them wait, between them and one end of a socket pair.
enum StandardStreams {
    /// - Parameter whenDone: called on any thread, when the leg is over and the output has had everything that it was given.
    /// - Throws: `IOError` if the system has no sockets left.
    static func leg(on loop: SocketLoop, whenDone: @escaping @Sendable () -> Void) throws -> SocketLeg {
        var ends: [CInt] = [-1, -1]
        guard cws_socket_pair(&ends) == 0 else { throw IOError(errnoCode: errno, reason: "socketpair") }
        let far = ends[1]
        guard let socket = Socket(ends[0], on: loop) else {
            _ = systemClose(far)
            throw IOError(errnoCode: ENOMEM, reason: "watch")
        }
        let both = Both(whenDone)
        Thread.detachNewThread {
            Self.carry(from: STDIN_FILENO, to: far)
            _ = shutdown(far, CInt(SHUT_WR))
        }
        Thread.detachNewThread {
            if !Self.carry(from: far, to: STDOUT_FILENO) { _ = shutdown(far, CInt(SHUT_RDWR)) }
            Self.endOutput()
            both.one()
        }
        let peer = PeerAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        return SocketLeg(socket, peer: peer, options: SocketOptions()) { both.one() }
    }

    /// Two things that end in either order.
    private final class Both: Sendable {
        private let left = Atomic(2)
        private let whenDone: @Sendable () -> Void

        init(_ whenDone: @escaping @Sendable () -> Void) { self.whenDone = whenDone }

        func one() {
            if self.left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { self.whenDone() }
        }
    }

    /// - Returns: false if the sink takes no more.
    @discardableResult private static func carry(from source: CInt, to sink: CInt) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { space in
            while true {
                let count = read(source, space.baseAddress, space.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return true }
                guard Self.write(UnsafeRawBufferPointer(rebasing: space[..<count]), to: sink) else { return false }
            }
        }
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to sink: CInt) -> Bool {
        var rest = bytes
        while rest.count > 0 {
            let count = systemWrite(sink, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return true
    }

    /// Whoever reads the output sees its end, and the number cannot become another file's.
    private static func endOutput() {
        let nothing = open("/dev/null", O_WRONLY)
        guard nothing >= 0 else { return }
        dup2(nothing, STDOUT_FILENO)
        _ = systemClose(nothing)
    }
}

private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
