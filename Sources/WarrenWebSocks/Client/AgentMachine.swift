// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension WebSocks {
    /// The agent of one connection: upgrades it, keeps it alive while it waits in a pool, asks for one destination, and is the
    /// stream then.
    ///
    /// ```
    /// starting --request--> upgrading --101--> ready --open--> frame --> method --> reply --> handed over
    ///                           |              |  ^              |         |          |
    ///                           |              +--+ PONG, 15 s   +---------+----------+-- no, left, late --> end
    ///                           +-- refused, bad bytes, time out --> closed
    /// ```
    public struct AgentMachine: SessionMachine {
        enum Phase {
            case idle
            case starting
            case upgrading
            case ready
            case opening(Destination)
            case frame(Destination)
            case greeting(Destination)
            case method(Destination)
            case asking(Destination)
            case reply(Destination)
            case closed
        }

        /// How often a connection that waits says that it does.
        static let pongs = TimeAmount.seconds(15)

        public private(set) var deadline: NIODeadline?
        private let configuration: ClientConfiguration
        private var phase = Phase.idle
        private var input = ByteBuffer()
        private var scan = HeadScan()
        private var hasEnded = false

        public init(_ configuration: ClientConfiguration) { self.configuration = configuration }

        public var wantsBytes: Bool { self.input.readableBytes < mostEarlyBytes }

        public mutating func start(now: NIODeadline) {
            self.phase = .starting
            self.deadline = now + self.configuration.handshake
        }

        public mutating func receive(_ bytes: ByteBuffer) {
            if case .closed = self.phase { return }
            self.input.take(bytes)
        }

        public mutating func receiveEnd() { self.hasEnded = true }

        public mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
            do throws(WireError) {
                return try self.step(now: now)
            } catch {
                return self.close(.violation(error))
            }
        }

        /// Opens the one stream there is; ``SessionAction/handOver(_:leftover:)`` or ``SessionAction/end(_:_:)`` follows.
        ///
        /// - Throws: `unsupported` for anything but TCP to a host with a name of 1 to 255 bytes, `sessionLost` before
        ///   ``SessionAction/ready`` and after the end, `limit` for a second stream.
        public mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
            guard Self.request(request.destination) != nil else { throw .unsupported }
            switch self.phase {
            case .ready where self.hasEnded || self.input.readableBytes > 0: throw .sessionLost
            case .ready: self.phase = .opening(request.destination)
            case .opening, .frame, .greeting, .method, .asking, .reply: throw .limit
            case .idle, .starting, .upgrading, .closed: throw .sessionLost
            }
            self.deadline = now + self.configuration.handshake
            return stream
        }

        /// Nobody waits for the stream any more, and the connection is good for no other one.
        public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
            switch self.phase {
            case .opening, .frame, .greeting, .method, .asking, .reply:
                self.input = ByteBuffer()
                self.hasEnded = true
                self.phase = .ready
                self.deadline = nil
            case .idle, .starting, .upgrading, .ready, .closed: return
            }
        }
    }
}

extension WebSocks.AgentMachine {
    private mutating func step(now: NIODeadline) throws(WireError) -> SessionAction? {
        if let deadline, deadline <= now {
            switch self.phase {
            case .starting, .upgrading: return self.close(.timedOut(phase: "upgrade"))
            case .ready: break
            case .opening, .frame, .greeting, .method, .asking, .reply: return self.refuse(.timedOut)
            case .idle, .closed: return nil
            }
        }
        switch self.phase {
        case .idle, .closed: return nil
        case .starting: return try self.writeUpgrade()
        case .upgrading: return try self.readAnswer(now)
        case .ready: return try self.rest(now)
        case .opening(let destination): return self.writeOpening(destination)
        case .frame(let destination): return try self.readFrame(destination, now)
        case .greeting(let destination):
            self.phase = .method(destination)
            return .write(ByteBuffer(bytes: WebSocks.SOCKS5.greeting))
        case .method(let destination): return try self.readMethod(destination, now)
        case .asking(let destination):
            self.phase = .reply(destination)
            return Self.request(destination).map { .write($0) }
        case .reply(let destination): return try self.readReply(destination)
        }
    }

    private static func request(_ destination: Destination) -> ByteBuffer? {
        guard case .host(let host, let port, .tcp) = destination else { return nil }
        var bytes = ByteBuffer()
        return bytes.writeWebSocksRequest(host, port: port) ? bytes : nil
    }

    // MARK: The upgrade and the pool

    private mutating func writeUpgrade() throws(WireError) -> SessionAction {
        let configuration = self.configuration
        let minute = WebSocks.Digest.minute(of: configuration.wallClock())
        let digest = WebSocks.Digest.digest(secret: configuration.secret, minute: minute)
        var bytes = ByteBuffer()
        try bytes.writeWebSocksUpgrade(.init(host: configuration.host, user: configuration.user, digest: digest))
        self.phase = .upgrading
        return .write(bytes)
    }

    private mutating func readAnswer(_ now: NIODeadline) throws(WireError) -> SessionAction? {
        guard let status = try self.input.readWebSocksAnswer(&self.scan, self.configuration.decoding) else {
            return self.hasEnded ? self.close(.carrierLost("closed without an answer to the upgrade")) : nil
        }
        switch status {
        case 101:
            self.phase = .ready
            self.deadline = now + Self.pongs
            return .ready
        case 401:
            return self.close(
                .rejected("401: it does not know this user and password, or the clocks differ by more than a minute"))
        default: return self.close(.rejected("status \(status) instead of an upgrade"))
        }
    }

    /// Waits for whoever opens the stream. The server says nothing meanwhile.
    private mutating func rest(_ now: NIODeadline) throws(WireError) -> SessionAction? {
        guard self.input.readableBytes == 0 else { throw WireError(.unexpected, in: "frame", found: "bytes before it") }
        if self.hasEnded { return self.close(.finished) }
        guard let deadline, deadline <= now else { return nil }
        self.deadline = now + Self.pongs
        return .write(ByteBuffer(bytes: WebSocks.Frame.pong))
    }

    // MARK: The stream

    private mutating func writeOpening(_ destination: Destination) -> SessionAction {
        self.phase = .frame(destination)
        var bytes = ByteBuffer(bytes: WebSocks.Frame.bytes)
        if !self.configuration.isStrict, let request = Self.request(destination) {
            bytes.writeBytes(WebSocks.SOCKS5.greeting)
            bytes.writeImmutableBuffer(request)
        }
        return .write(bytes)
    }

    private mutating func readFrame(_ destination: Destination, _ now: NIODeadline) throws(WireError) -> SessionAction?
    {
        guard self.input.readSlice(length: WebSocks.Frame.bytes.count) != nil else { return self.refuseIfEnded() }
        self.phase = self.configuration.isStrict ? .greeting(destination) : .method(destination)
        return try self.step(now: now)
    }

    private mutating func readMethod(_ destination: Destination, _ now: NIODeadline) throws(WireError) -> SessionAction?
    {
        guard let isWithoutLogin = try self.input.readWebSocksMethod() else { return self.refuseIfEnded() }
        guard isWithoutLogin else { return self.close(.rejected("it takes no SOCKS5 without a login")) }
        self.phase = self.configuration.isStrict ? .asking(destination) : .reply(destination)
        self.deadline = now + self.configuration.dialling
        return try self.step(now: now)
    }

    /// Deployed agents fail if more than the reply came in its read; we take it for what the target says.
    private mutating func readReply(_ destination: Destination) throws(WireError) -> SessionAction? {
        guard let reply = try self.input.readWebSocksReply() else { return self.refuseIfEnded() }
        if let fault = reply.fault(reaching: destination) { return self.refuse(fault) }
        let leftover = self.input
        self.leave()
        return .handOver(WebSocks.stream, leftover: leftover)
    }

    // MARK: The end

    private mutating func refuse(_ fault: StreamFault) -> SessionAction {
        self.leave()
        return .end(WebSocks.stream, fault)
    }

    private mutating func refuseIfEnded() -> SessionAction? { self.hasEnded ? self.refuse(.noServer) : nil }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.leave()
        return .close(reason)
    }

    private mutating func leave() {
        self.phase = .closed
        self.deadline = nil
        self.input = ByteBuffer()
    }
}
