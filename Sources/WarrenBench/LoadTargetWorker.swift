// SPDX-License-Identifier: Apache-2.0

import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One thread of a ``LoadTarget``.
struct LoadTargetWorker {
    private struct Connection {
        let socket: LoadSocket
        var purpose: UInt8?
        /// Payload bytes sent or received.
        var count = 0
    }

    /// Before the connections: the wake pipe and the listener.
    private static let reserved = 2

    private let target: LoadTarget
    private let listener: LoadSocket
    private let pattern = LoadPattern()
    private var poll: LoadPoll
    private var connections: [Connection] = []
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)

    init(target: LoadTarget, listener: LoadSocket, wake: CInt, capacity: Int) {
        self.target = target
        self.listener = listener
        self.poll = LoadPoll(capacity: capacity + Self.reserved)
        self.connections.reserveCapacity(capacity)
        self.poll.append(wake, .reading)
        self.poll.append(listener.descriptor, .reading)
    }

    /// Serves until the wake pipe is closed.
    mutating func run() {
        while (try? self.poll.wait(seconds: nil)) != nil, !self.poll.isReady(0) {
            // Backwards: what ends is replaced by the last one, which has been served already.
            for index in self.connections.indices.reversed() where self.poll.isReady(index + Self.reserved) {
                guard (try? self.serve(index)) != true else { continue }
                self.end(index)
            }
            if self.poll.isReady(1) { self.acceptAll() }
        }
        for connection in self.connections { connection.socket.close() }
    }

    private mutating func acceptAll() {
        while let socket = self.listener.accept() {
            self.connections.append(Connection(socket: socket))
            self.poll.append(socket.descriptor, .reading)
        }
    }

    private mutating func end(_ index: Int) {
        let connection = self.connections[index]
        if connection.purpose == LoadTarget.Purpose.down { self.target.sent.add(connection.count, ordering: .relaxed) }
        connection.socket.close()
        self.connections.swapAt(index, self.connections.count - 1)
        self.connections.removeLast()
        self.poll.removeSwapping(index + Self.reserved)
    }

    /// - Returns: false at the end.
    private mutating func serve(_ index: Int) throws -> Bool {
        if self.poll.canRead(index + Self.reserved) {
            let socket = self.connections[index].socket
            let count = try self.buffer.withUnsafeMutableBytes { bytes in
                try socket.receive(bytes)
            }
            guard let count else { return true }
            guard count > 0, try self.received(count, on: index) else { return false }
        }
        guard self.connections[index].purpose == LoadTarget.Purpose.down else { return true }
        let connection = self.connections[index]
        let sent = try self.pattern.withPiece(at: connection.count) { piece in
            try connection.socket.send(piece)
        }
        self.connections[index].count += sent ?? 0
        return true
    }

    private mutating func received(_ count: Int, on index: Int) throws -> Bool {
        guard let purpose = self.connections[index].purpose else {
            self.connections[index].purpose = self.buffer[0]
            return try self.begin(count, on: index)
        }
        switch purpose {
        case LoadTarget.Purpose.up: return try self.take(0..<count, on: index)
        case LoadTarget.Purpose.echo: return try self.answer(count, on: index)
        default: return false  // the byte that ends `down`, or one too many after `once`
        }
    }

    private mutating func begin(_ count: Int, on index: Int) throws -> Bool {
        switch self.connections[index].purpose {
        case LoadTarget.Purpose.echo: return try self.answer(count, on: index)
        case LoadTarget.Purpose.up: return try self.take(1..<count, on: index)
        case LoadTarget.Purpose.down:
            self.poll.set(index + Self.reserved, [.reading, .writing])
            return count == 1  // the byte that ends it may have come along
        case LoadTarget.Purpose.once:
            _ = try self.answer(count, on: index)
            return false
        default: return false
        }
    }

    private func answer(_ count: Int, on index: Int) throws -> Bool {
        let socket = self.connections[index].socket
        return try self.buffer.withUnsafeBytes { bytes in
            try socket.send(UnsafeRawBufferPointer(rebasing: bytes[..<count])) == count
        }
    }

    private mutating func take(_ range: Range<Int>, on index: Int) throws -> Bool {
        let connection = self.connections[index]
        let acknowledgements = self.acknowledgements(from: connection.count, range.count)
        try self.buffer.withUnsafeBytes { bytes in
            let piece = UnsafeRawBufferPointer(rebasing: bytes[range])
            if !self.pattern.seemsRight(piece, at: connection.count) {
                self.target.wrong.add(1, ordering: .relaxed)
            }
            let answer = UnsafeRawBufferPointer(rebasing: bytes[..<acknowledgements])
            if acknowledgements > 0 { _ = try connection.socket.send(answer) }
        }
        self.connections[index].count += range.count
        return true
    }

    private func acknowledgements(from count: Int, _ more: Int) -> Int {
        (count + more) / LoadTarget.acknowledged - count / LoadTarget.acknowledged
    }
}
