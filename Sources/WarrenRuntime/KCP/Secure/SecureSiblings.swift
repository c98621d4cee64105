// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import WarrenLoop

/// The ports of all loops that share one UDP port with a key. The system chooses the loop of a datagram by its addresses, so
/// that of a client that has moved may come to another loop than its session's.
final class SecureSiblings: Sendable {
    /// A datagram that came to another loop.
    struct Passed: Sendable {
        let datagram: ByteBuffer
        let path: DatagramPath
    }

    /// Bytes that wait for a loop, each datagram counted with 64 more. What comes then is dropped: strangers sent it, or the
    /// loop has too much to do.
    private static let mostWaiting = 1 << 20

    private struct Waiting {
        var datagrams: [Passed] = []
        var bytes = 0
    }

    private final class Place: Sendable {
        let waiting = NIOLockedValueBox(Waiting())
        let port = NIOLockedValueBox<(loop: SocketLoop, port: NIOLoopBound<SecureKCPPort>)?>(nil)
    }

    private let places: [Place]

    init(count: Int) { self.places = (0..<max(count, 1)).map { _ in Place() } }

    var count: Int { self.places.count }

    /// On the port's loop.
    func join(_ port: SecureKCPPort, as number: Int, on loop: SocketLoop) {
        let bound = NIOLoopBound(port, eventLoop: loop)
        self.places[number].port.withLockedValue { $0 = (loop, bound) }
    }

    /// Nothing is passed on to it any more.
    func leave(_ number: Int) { self.places[number].port.withLockedValue { $0 = nil } }

    /// Gives a copy to the loop that it is for.
    func pass(_ datagram: ByteBuffer, _ path: DatagramPath, to number: Int) {
        guard self.places.indices.contains(number) else { return }
        let place = self.places[number]
        guard let sibling = place.port.withLockedValue({ $0 }) else { return }
        var copy = ByteBuffer()
        copy.writeImmutableBuffer(datagram)
        let (passed, length) = (Passed(datagram: copy, path: path), copy.readableBytes)
        let isFirst = place.waiting.withLockedValue { waiting in
            guard waiting.bytes < Self.mostWaiting else { return false }
            waiting.datagrams.append(passed)
            waiting.bytes += length + 64
            return waiting.datagrams.count == 1
        }
        if isFirst { sibling.loop.execute { sibling.port.value.takePassed() } }
    }

    /// All that waits for a port.
    func take(_ number: Int) -> [Passed] {
        self.places[number].waiting.withLockedValue { waiting in
            defer { waiting = Waiting() }
            return waiting.datagrams
        }
    }
}
