// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

/// A client machine and a server machine, joined in memory, with a clock that moves only when told.
///
/// The pair carries bytes and pulls steps; what the steps mean for streams is left to the test, which sees each one and
/// may give further commands.
public struct MachinePair<Client: SessionMachine, Server: SessionMachine> {
    public enum End: Hashable, Sendable {
        case client
        case server
    }

    public var client: Client
    public var server: Server
    public var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    /// Whether the carriers take payload.
    public var writable = true
    /// The reasons that the ends gave for closing.
    public private(set) var closed: [End: CloseReason] = [:]
    /// How many bytes each end was given.
    public private(set) var carried: [End: UInt64] = [:]
    /// Bytes under way.
    private var toClient = CircularBuffer<ByteBuffer>()
    private var toServer = CircularBuffer<ByteBuffer>()
    private var random: SeededRandom
    private let mostChunk: Int

    /// - Parameter mostChunk: bytes that one read may bring; pieces are cut at random by the seed.
    public init(_ client: Client, _ server: Server, seed: UInt64, mostChunk: Int = 9000) {
        self.client = client
        self.server = server
        self.random = SeededRandom(seed)
        self.mostChunk = mostChunk
        self.client.start(now: self.now)
        self.server.start(now: self.now)
    }

    /// Runs until neither end has anything to say or to read.
    ///
    /// - Parameter handle: sees every step but `.write` and `.close`.
    public mutating func run(_ handle: (End, SessionAction, inout Self) -> Void) {
        var isBusy = true
        while isBusy {
            isBusy = self.drain(.client, handle)
            isBusy = self.drain(.server, handle) || isBusy
            isBusy = self.carry() || isBusy
        }
    }

    /// Moves the clock, then runs.
    public mutating func advance(_ time: TimeAmount, _ handle: (End, SessionAction, inout Self) -> Void) {
        self.now = self.now + time
        self.run(handle)
    }

    private mutating func drain(_ end: End, _ handle: (End, SessionAction, inout Self) -> Void) -> Bool {
        var isBusy = false
        while let action = self.next(end) {
            isBusy = true
            switch action {
            case .write(let bytes) where end == .client: self.toServer.append(bytes)
            case .write(let bytes): self.toClient.append(bytes)
            case .close(let reason): self.closed[end] = reason
            case .isolateWrites: break
            case .authenticate, .ready, .granted, .serve, .withdraw, .open, .opened, .deliver, .finish, .end, .pause,
                .resume, .handOver:
                handle(end, action, &self)
            }
        }
        return isBusy
    }

    private mutating func next(_ end: End) -> SessionAction? {
        switch end {
        case .client: self.client.next(now: self.now, writable: self.writable)
        case .server: self.server.next(now: self.now, writable: self.writable)
        }
    }

    /// Brings one random piece of what is under way to each end that wants bytes.
    private mutating func carry() -> Bool {
        var isBusy = false
        if self.client.wantsBytes, let bytes = Self.piece(&self.toClient, most: self.mostChunk, &self.random) {
            self.client.receive(bytes)
            self.carried[.client, default: 0] += UInt64(bytes.readableBytes)
            isBusy = true
        }
        if self.server.wantsBytes, let bytes = Self.piece(&self.toServer, most: self.mostChunk, &self.random) {
            self.server.receive(bytes)
            self.carried[.server, default: 0] += UInt64(bytes.readableBytes)
            isBusy = true
        }
        return isBusy
    }

    private static func piece(
        _ way: inout CircularBuffer<ByteBuffer>, most: Int, _ random: inout SeededRandom
    ) -> ByteBuffer? {
        guard var first = way.popFirst() else { return nil }
        let size = min(Int.random(in: 1...most, using: &random), first.readableBytes)
        let piece = first.readSlice(length: size)
        if first.readableBytes > 0 { way.prepend(first) }
        return piece
    }
}
