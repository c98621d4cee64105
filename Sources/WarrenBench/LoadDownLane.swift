// SPDX-License-Identifier: Apache-2.0

/// One thread's part of a measurement from the target to the client.
struct LoadDownLane {
    private let pattern = LoadPattern()
    private var streams: LoadStreams
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)
    /// How long what is on its way may take when the target has been told to stop, in seconds: a tunnel may hold a window of every
    /// stream. Silence ends it sooner.
    private static let patience = 6 * LoadSocket.timeout
    /// When the target was told to stop.
    private var stopping: LoadTimer?

    init(_ route: LoadRoute, streams: Int) { self.streams = LoadStreams(route, count: streams) }

    mutating func run(_ limit: LoadLimit) -> LoadTally {
        defer { self.streams.closeAll() }
        let timer = LoadTimer(limit)
        self.streams.begin(LoadTarget.Purpose.down, .reading)
        do {
            while self.streams.open > 0 {
                try self.streams.poll.wait(seconds: LoadSocket.timeout)
                for index in self.streams.sockets.indices where self.streams.poll.isReady(index) {
                    self.receive(index)
                }
                if let stopping = self.stopping {
                    guard stopping.isOver(after: 0) else { continue }
                    throw LoadFailure("still sending \(Self.patience) s after it was told to stop")
                }
                if timer.isOver(after: self.streams.tally.count) { self.stop() }
            }
        } catch {
            self.streams.tally.failed("\(error)")
        }
        self.streams.tally.seconds = timer.seconds
        return self.streams.tally
    }

    /// Any byte makes the target close, and what is on its way still comes.
    private mutating func stop() {
        self.stopping = LoadTimer(.seconds(Double(Self.patience)))
        for index in self.streams.sockets.indices where self.streams.isOpen[index] {
            self.streams.say(LoadTarget.Purpose.down, on: index)
        }
    }

    private mutating func receive(_ index: Int) {
        let (socket, offset) = (self.streams.sockets[index], self.streams.offsets[index])
        do {
            var fits = true
            let count = try self.buffer.withUnsafeMutableBytes { bytes in
                let count = try socket.receive(bytes)
                fits = self.pattern.seemsRight(.init(rebasing: bytes[..<(count ?? 0)]), at: offset)
                return count
            }
            guard let count else { return }
            guard fits else { throw LoadFailure("wrong bytes came") }
            guard count > 0 else {
                if self.stopping == nil { throw LoadFailure("the connection ended early") }
                return self.streams.end(index)
            }
            self.streams.offsets[index] += count
            self.streams.tally.count += count
        } catch {
            self.streams.end(index, error)
        }
    }
}

/// The connections of a lane, and what it has done so far.
struct LoadStreams {
    private(set) var sockets: [LoadSocket] = []
    private(set) var isOpen: [Bool] = []
    private(set) var open = 0
    /// Payload bytes so far.
    var offsets: [Int] = []
    var poll: LoadPoll
    var tally = LoadTally()

    init(_ route: LoadRoute, count: Int) {
        self.poll = LoadPoll(capacity: count)
        for _ in 0..<count {
            do {
                self.sockets.append(try route.open())
            } catch {
                self.tally.failed("\(error)")
            }
        }
        self.open = self.sockets.count
        self.isOpen = Array(repeating: true, count: self.open)
        self.offsets = Array(repeating: 0, count: self.open)
    }

    mutating func begin(_ purpose: UInt8, _ interest: LoadPoll.Interest) {
        for index in self.sockets.indices {
            self.poll.append(self.sockets[index].descriptor, interest)
            self.say(purpose, on: index)
        }
    }

    mutating func say(_ byte: UInt8, on index: Int) {
        do {
            try withUnsafeBytes(of: byte) { bytes in try self.sockets[index].sendAll(bytes) }
        } catch {
            self.end(index, error)
        }
    }

    mutating func end(_ index: Int, _ failure: (any Error)? = nil) {
        guard self.isOpen[index] else { return }
        self.isOpen[index] = false
        self.open -= 1
        self.poll.silence(index)
        if let failure { self.tally.failed("\(failure)") }
    }

    func closeAll() {
        for socket in self.sockets { socket.close() }
    }
}
