// SPDX-License-Identifier: Apache-2.0

/// One thread's part of a measurement of connections.
///
/// The target closes first: a client that does keeps every port it used waiting, and soon has none left.
struct LoadConnectLane {
    private struct Slot {
        var socket: LoadSocket?
        var startedAt: UInt64 = 0
        /// The step whose answer is awaited; nil while the connection is under way.
        var step: Int?
        /// Bytes of that answer so far.
        var got = 0
    }

    private let port: UInt16
    private let steps: [LoadRoute.Step]
    private var slots: [Slot]
    private var poll: LoadPoll
    private var buffer: [UInt8]
    private var open = 0
    private var tally = LoadTally()

    init(_ route: LoadRoute, atATime: Int) {
        self.port = route.port
        let byte = LoadTarget.Purpose.once
        let last = [
            LoadRoute.Step(say: [byte], count: 1, prefix: [byte]), LoadRoute.Step(say: [], count: 0, prefix: []),
        ]
        self.steps = route.steps + last
        self.slots = Array(repeating: Slot(), count: atATime)
        self.buffer = Array(repeating: 0, count: max(1, route.longestAnswer))
        self.poll = LoadPoll(capacity: atATime)
        for _ in 0..<atATime { self.poll.append(-1, []) }
    }

    mutating func run(_ limit: LoadLimit) -> LoadTally {
        defer { for slot in self.slots { slot.socket?.close() } }
        let timer = LoadTimer(limit)
        for index in self.slots.indices { self.begin(index) }
        do {
            while self.open > 0 {
                try self.poll.wait(seconds: LoadSocket.timeout)
                for index in self.slots.indices where self.poll.isReady(index) {
                    guard self.proceed(index) else { continue }
                    let started = self.tally.count + self.open + self.tally.failures
                    if !timer.isOver(after: started) { self.begin(index) }
                }
            }
        } catch {
            self.tally.failed("\(error)")
        }
        self.tally.seconds = timer.seconds
        return self.tally
    }

    private mutating func begin(_ index: Int) {
        do {
            let socket = try LoadSocket()
            self.slots[index] = Slot(socket: socket, startedAt: LoadTimer.now)
            socket.neverWait()
            self.poll.replace(index, by: socket.descriptor, .writing)
            self.open += 1
            _ = try socket.connect(to: self.port)
        } catch {
            self.end(index, error)
        }
    }

    private mutating func end(_ index: Int, _ failure: (any Error)? = nil) {
        if let failure { self.tally.failed("\(failure)") }
        self.poll.silence(index)
        guard let socket = self.slots[index].socket else { return }
        socket.close()
        self.slots[index].socket = nil
        self.open -= 1
    }

    /// - Returns: whether the connection is over, by failure or not.
    private mutating func proceed(_ index: Int) -> Bool {
        guard let socket = self.slots[index].socket else { return false }
        do {
            if self.slots[index].step == nil {
                try socket.finishConnecting()
                self.poll.set(index, .reading)
                try self.say(0, on: index, socket)
                return false
            }
            guard try self.receive(index, socket) else { return false }
            self.tally.latencies.record(nanoseconds: LoadTimer.now - self.slots[index].startedAt)
            self.tally.count += 1
            self.end(index)
        } catch {
            self.end(index, error)
        }
        return true
    }

    private mutating func say(_ step: Int, on index: Int, _ socket: LoadSocket) throws {
        self.slots[index].step = step
        self.slots[index].got = 0
        guard self.steps[step].count > 0 else { return }
        try self.steps[step].say.withUnsafeBytes { bytes in try socket.sendAll(bytes) }
    }

    /// - Returns: whether the last answer is complete.
    private mutating func receive(_ index: Int, _ socket: LoadSocket) throws -> Bool {
        let (step, got) = (self.slots[index].step ?? 0, self.slots[index].got)
        let wanted = self.steps[step]
        let count = try self.buffer.withUnsafeMutableBytes { bytes in
            try socket.receive(UnsafeMutableRawBufferPointer(rebasing: bytes[..<max(1, wanted.count - got)]))
        }
        guard let count else { return false }
        guard wanted.count > 0 else {
            guard count == 0 else { throw LoadFailure("more bytes came than were sent") }
            return true
        }
        guard count > 0 else { throw LoadFailure("the connection ended early") }
        for offset in 0..<count where got + offset < wanted.prefix.count {
            guard self.buffer[offset] == wanted.prefix[got + offset] else { throw LoadFailure("the inbound refused") }
        }
        self.slots[index].got = got + count
        if got + count == wanted.count { try self.say(step + 1, on: index, socket) }
        return false
    }
}
