// SPDX-License-Identifier: Apache-2.0

/// One thread's part of a measurement from the client to the target.
struct LoadUpLane {
    private let pattern = LoadPattern()
    private var streams: LoadStreams
    private var buffer = [UInt8](repeating: 0, count: 4096)
    /// Acknowledgements that came.
    private var acknowledged: [Int]
    private var isStopping = false

    init(_ route: LoadRoute, streams: Int) {
        self.streams = LoadStreams(route, count: streams)
        self.acknowledged = Array(repeating: 0, count: self.streams.sockets.count)
    }

    mutating func run(_ limit: LoadLimit) -> LoadTally {
        defer { self.streams.closeAll() }
        let timer = LoadTimer(limit)
        self.streams.begin(LoadTarget.Purpose.up, [.reading, .writing])
        do {
            while self.streams.open > 0 {
                try self.streams.poll.wait(seconds: LoadSocket.timeout)
                for index in self.streams.sockets.indices where self.streams.poll.isReady(index) { self.serve(index) }
                guard !self.isStopping, timer.isOver(after: self.streams.offsets.reduce(0, +)) else { continue }
                self.isStopping = true
                for index in self.streams.sockets.indices { self.settle(index) }
            }
        } catch {
            self.streams.tally.failed("\(error)")
        }
        self.streams.tally.seconds = timer.seconds
        return self.streams.tally
    }

    /// Whether a stream has sent all it is going to: whole acknowledgements, and one at least.
    private func isFull(_ index: Int) -> Bool {
        let offset = self.streams.offsets[index]
        return self.isStopping && offset > 0 && offset % LoadTarget.acknowledged == 0
    }

    private mutating func serve(_ index: Int) {
        do {
            if self.streams.poll.canRead(index) { try self.receive(index) }
            if !self.isFull(index) { try self.send(index) }
            self.settle(index)
        } catch {
            self.streams.end(index, error)
        }
    }

    private mutating func receive(_ index: Int) throws {
        let socket = self.streams.sockets[index]
        let count = try self.buffer.withUnsafeMutableBytes { bytes in try socket.receive(bytes) }
        guard let count else { return }
        guard count > 0 else { throw LoadFailure("the connection ended early") }
        self.acknowledged[index] += count
        self.streams.tally.count += count * LoadTarget.acknowledged
    }

    private mutating func send(_ index: Int) throws {
        let (socket, offset) = (self.streams.sockets[index], self.streams.offsets[index])
        let room = LoadTarget.acknowledged - offset % LoadTarget.acknowledged
        let count = try self.pattern.withPiece(at: offset, count: room) { piece in
            try socket.send(piece)
        }
        self.streams.offsets[index] += count ?? 0
    }

    private mutating func settle(_ index: Int) {
        guard self.streams.isOpen[index], self.isFull(index) else { return }
        self.streams.poll.set(index, .reading)
        if self.acknowledged[index] * LoadTarget.acknowledged == self.streams.offsets[index] { self.streams.end(index) }
    }
}
