// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenTesting

@testable import WarrenLoop

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Writes down what a datagram socket tells.
final class DatagramRecorder: DatagramWatcher {
    var datagrams: [Datagram] = []
    var faults: [DatagramFault] = []
    var faultPaths: [DatagramPath?] = []
    /// Datagrams told before each end of a turn.
    var turns: [Int] = []
    var writable = 0
    var onDatagram: (Datagram) -> Void = { _ in }
    var onFault: (DatagramFault) -> Void = { _ in }

    var bytes: [ByteBuffer] { self.datagrams.map(\.bytes) }
    var lengths: [Int] { self.datagrams.map(\.bytes.readableBytes) }

    func datagramSocket(_ socket: DatagramSocket, received datagram: Datagram) {
        self.datagrams.append(datagram)
        self.onDatagram(datagram)
    }

    func datagramSocketHasReceived(_ socket: DatagramSocket) { self.turns.append(self.datagrams.count) }

    func datagramSocketIsWritable(_ socket: DatagramSocket) { self.writable += 1 }

    func datagramSocket(_ socket: DatagramSocket, met fault: DatagramFault, with path: DatagramPath?) {
        self.faults.append(fault)
        self.faultPaths.append(path)
        self.onFault(fault)
    }
}

/// Sockets on a manual loop: nobody waits for the system but who says so.
enum Datagrams {
    static let v4 = PeerAddress(IPAddress(v4: 0x7F00_0001), port: 0)
    static let v6 = PeerAddress(IPAddress(high: 0, low: 1), port: 0)
    static let everywhere4 = PeerAddress(IPAddress(v4: 0), port: 0)
    static let everywhere6 = PeerAddress(IPAddress(high: 0, low: 0), port: 0)

    struct Fault: Error {}

    static func bound(
        _ address: PeerAddress = Self.v4, on loop: SocketLoop, options: DatagramOptions = .init()
    ) throws -> (DatagramSocket, PeerAddress) {
        guard let descriptor = try DatagramSocket.bind(to: address, times: 1, options: options).first,
            let socket = DatagramSocket(descriptor, on: loop, options: options),
            let bound = socket.localAddress
        else { throw Fault() }
        return (socket, bound)
    }

    /// Two ends of the system's own, where nothing is lost and each holds few: sending finds no room.
    static func joined(on loop: SocketLoop, options: DatagramOptions = .init()) throws -> (
        DatagramSocket, DatagramSocket
    ) {
        #if canImport(Glibc)
        let type = CInt(SOCK_DGRAM.rawValue)
        #else
        let type = SOCK_DGRAM
        #endif
        var ends: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw Fault() }
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            var least: CInt = 4608
            setsockopt(end, SOL_SOCKET, SO_SNDBUF, &least, socklen_t(MemoryLayout<CInt>.size))
        }
        var options = options
        options.joins = false
        options.splits = false
        guard let one = DatagramSocket(ends[0], on: loop, options: options),
            let other = DatagramSocket(ends[1], on: loop, options: options)
        else { throw Fault() }
        return (one, other)
    }

    /// Serves the socket whenever something has come for it.
    ///
    /// - Returns: false if nothing has come for 5 s, or not all within 20 s.
    static func serve(_ socket: DatagramSocket, until isDone: () -> Bool) -> Bool {
        let deadline = NIODeadline.now() + .seconds(20)
        while !isDone() {
            guard NIODeadline.now() < deadline else { return false }
            var entry = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 5_000) > 0 else { return false }
            socket.became(1)
            socket.loop.runOnce()
        }
        return true
    }

    /// What has come is served; nobody waits.
    static func serveNow(_ socket: DatagramSocket) {
        socket.became(1)
        socket.loop.runOnce()
    }

    private static let noise = {
        var random = SeededRandom(1)
        return random.bytes(140_000)
    }()

    /// Bytes that tell which datagram it is, at least from its neighbours.
    static func numbered(_ number: Int, _ length: Int) -> ByteBuffer {
        Self.noise.getSlice(at: 61 * number % 70_000, length: length) ?? ByteBuffer()
    }
}
