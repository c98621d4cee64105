// SPDX-License-Identifier: Apache-2.0

/// One thread's part of a measurement of round trips.
struct LoadEchoLane {
    /// Bytes there and bytes back.
    static let size = 64
    /// Not measured, at the start of a lane with one connection.
    private static let warmUp = 100

    private var streams: LoadStreams
    private var message = [UInt8](repeating: LoadTarget.Purpose.echo, count: size)
    private var answers: [UInt8]
    private var sentAt: [UInt64]

    init(_ route: LoadRoute, connections: Int) {
        self.streams = LoadStreams(route, count: connections)
        self.answers = Array(repeating: 0, count: self.streams.sockets.count * Self.size)
        self.sentAt = Array(repeating: 0, count: self.streams.sockets.count)
    }

    mutating func run(_ limit: LoadLimit) -> LoadTally {
        defer { self.streams.closeAll() }
        do {
            if self.streams.sockets.count == 1 {
                for _ in 0..<Self.warmUp { try self.exchange() }
                (self.streams.tally.count, self.streams.tally.latencies) = (0, LoadLatencies())
                try self.runAlone(limit)
            } else {
                try self.runTogether(limit)
            }
        } catch {
            self.streams.tally.failed("\(error)")
        }
        return self.streams.tally
    }

    private mutating func runAlone(_ limit: LoadLimit) throws {
        let timer = LoadTimer(limit)
        repeat { try self.exchange() } while !timer.isOver(after: self.streams.tally.count)
        self.streams.tally.seconds = timer.seconds
    }

    private mutating func exchange() throws {
        try self.send(0)
        let socket = self.streams.sockets[0]
        try self.answers.withUnsafeMutableBytes { bytes in try socket.receiveAll(bytes) }
        try self.answered(0)
    }

    private mutating func runTogether(_ limit: LoadLimit) throws {
        let timer = LoadTimer(limit)
        for index in self.streams.sockets.indices {
            self.streams.poll.append(self.streams.sockets[index].descriptor, .reading)
            try self.send(index)
        }
        while self.streams.open > 0 {
            try self.streams.poll.wait(seconds: LoadSocket.timeout)
            let isOver = timer.isOver(after: self.streams.tally.count)
            for index in self.streams.sockets.indices where self.streams.poll.isReady(index) {
                do {
                    guard try self.receive(index) else { continue }
                    if isOver { self.streams.end(index) } else { try self.send(index) }
                } catch {
                    self.streams.end(index, error)
                }
            }
        }
        self.streams.tally.seconds = timer.seconds
    }

    /// - Returns: whether the answer is complete.
    private mutating func receive(_ index: Int) throws -> Bool {
        let socket = self.streams.sockets[index]
        let (got, start) = (self.streams.offsets[index], index * Self.size)
        let count = try self.answers.withUnsafeMutableBytes { bytes in
            try socket.receive(UnsafeMutableRawBufferPointer(rebasing: bytes[start + got..<start + Self.size]))
        }
        guard let count else { return false }
        guard count > 0 else { throw LoadFailure("the connection ended early") }
        self.streams.offsets[index] = got + count
        guard got + count == Self.size else { return false }
        self.streams.offsets[index] = 0
        try self.answered(index)
        return true
    }

    /// The time of sending is part of the message, so that every one is different.
    private mutating func send(_ index: Int) throws {
        let now = LoadTimer.now
        self.sentAt[index] = now
        let socket = self.streams.sockets[index]
        try self.message.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: now, toByteOffset: Self.size - 8, as: UInt64.self)
            try socket.sendAll(UnsafeRawBufferPointer(bytes))
        }
    }

    private mutating func answered(_ index: Int) throws {
        let now = LoadTimer.now
        let end = (index + 1) * Self.size
        let echoed = self.answers.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: end - 8, as: UInt64.self) }
        guard echoed == self.sentAt[index] else { throw LoadFailure("wrong bytes came back") }
        self.streams.tally.latencies.record(nanoseconds: now - echoed)
        self.streams.tally.count += 1
    }
}
