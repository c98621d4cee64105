// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import WarrenCore
package import WarrenLoop

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Two joined sockets without a thread: one is Warren's, the other one is the test's, which does what it says at once.
///
/// On a manual loop nobody waits for the system: ``turn()`` asks it what has become possible.
package final class LocalPair {
    /// How the near side ended.
    package enum End: Hashable, Sendable {
        case finished
        case reset
    }

    package let socket: Socket
    package let loop: SocketLoop
    private var far: CInt
    /// How the near side ended, as far as ``drain()`` has seen.
    package private(set) var end: End?

    /// - Parameters:
    ///   - isTCP: a connection over the loopback network, for what only TCP has.
    ///   - room: about how many bytes wait in the system.
    package init(on loop: SocketLoop = .manual(), isTCP: Bool = false, room: CInt? = nil) throws {
        let (near, far) = isTCP ? try Self.connected() : try Self.joined()
        if let room {
            for (descriptor, name) in [(near, SO_SNDBUF), (far, SO_SNDBUF), (far, SO_RCVBUF)] {
                var value = room
                setsockopt(descriptor, SOL_SOCKET, name, &value, socklen_t(MemoryLayout<CInt>.size))
            }
        }
        for descriptor in [near, far] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
        guard let socket = Socket(near, on: loop) else { throw IOError(errnoCode: errno, reason: "watch") }
        self.loop = loop
        self.socket = socket
        self.far = far
    }

    deinit { self.close() }

    private static var stream: CInt {
        #if canImport(Glibc)
        CInt(SOCK_STREAM.rawValue)
        #else
        SOCK_STREAM
        #endif
    }

    private static func joined() throws -> (CInt, CInt) {
        var ends: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, Self.stream, 0, &ends) == 0 else {
            throw IOError(errnoCode: errno, reason: "socketpair")
        }
        return (ends[0], ends[1])
    }

    private static func connected() throws -> (CInt, CInt) {
        let loopback = PeerAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        let (listener, address) = try BoundPort.make(loopback, options: SocketOptions())
        defer { _ = systemClose(listener) }
        let far = Glue.socket(AF_INET, Self.stream)
        guard address.withSockAddr({ connect(far, $0, socklen_t($1)) }) == 0 else {
            throw IOError(errnoCode: errno, reason: "connect")
        }
        Self.wait(for: CInt(POLLIN), on: listener)
        return (accept(listener, nil, nil), far)
    }

    @discardableResult private static func wait(for events: CInt, on descriptor: CInt, timeout: CInt = 20_000) -> CInt {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&entry, 1, timeout) > 0 ? CInt(entry.revents) : 0
    }
}

// MARK: - The near end

extension LocalPair {
    #if os(Linux)
    private static let peerHasEnded = CInt(0x2000)  // POLLRDHUP
    #else
    private static let peerHasEnded = CInt(0)
    #endif

    /// Tells the socket what the system says about it now, and lets the loop do what is due.
    package func turn() {
        let (readable, writable, ended, failed) = (UInt32(1), UInt32(2), UInt32(4), UInt32(8))
        if !self.socket.isClosed {
            let asked = CInt(POLLIN | POLLOUT) | Self.peerHasEnded
            let found = Self.wait(for: asked, on: self.socket.descriptor, timeout: 0)
            var ready: UInt32 = 0
            if found & CInt(POLLIN | POLLHUP) != 0 { ready |= readable }
            if found & CInt(POLLOUT) != 0 { ready |= writable }
            if found & (CInt(POLLHUP) | Self.peerHasEnded) != 0 { ready |= ended }
            if found & CInt(POLLERR) != 0 { ready |= failed }
            if ready != 0 { self.socket.became(ready) }
        }
        self.loop.runOnce()
    }

    /// Waits until the far end's reset has come over.
    package func resetHasArrived() -> Bool {
        Self.wait(for: 0, on: self.socket.descriptor) & CInt(POLLERR | POLLHUP) != 0
    }
}

// MARK: - The far end

extension LocalPair {
    package func send(_ bytes: ByteBuffer) -> Int {
        bytes.withUnsafeReadableBytes { Glue.send(self.far, $0.baseAddress, $0.count) }
    }

    @discardableResult package func send(_ text: String) -> Int { self.send(ByteBuffer(string: text)) }

    /// Everything that waits for the far end, up to so many bytes.
    package func drain(_ most: Int = .max) -> ByteBuffer {
        var all = ByteBuffer()
        var left = most
        while left > 0 {
            let wanted = min(left, 65_536)
            let count = all.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { space in
                max(0, self.read(.init(rebasing: space[..<wanted])))
            }
            if count == 0 { break }
            left -= count
        }
        return all
    }

    private func read(_ space: UnsafeMutableRawBufferPointer) -> Int {
        let count = recv(self.far, space.baseAddress, space.count, 0)
        if count == 0 { self.end = .finished }
        if count < 0, errno != EAGAIN { self.end = .reset }
        return count
    }

    package func finish() { shutdown(self.far, CInt(SHUT_WR)) }

    package func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(self.far, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        self.close()
    }

    package func close() {
        guard self.far >= 0 else { return }
        _ = systemClose(self.far)
        self.far = -1
    }
}

@available(*, unavailable)
extension LocalPair: Sendable {}

/// The system's calls whose names are taken.
private enum Glue {
    static func socket(_ family: CInt, _ type: CInt) -> CInt { openSocket(family, type, 0) }

    static func send(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        write(descriptor, bytes, count)
    }
}

private func openSocket(_ family: CInt, _ type: CInt, _ number: CInt) -> CInt { socket(family, type, number) }
