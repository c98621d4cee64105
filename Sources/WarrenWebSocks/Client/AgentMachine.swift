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
        }

        /// How often a connection that waits says that it does.
        static let pongs = TimeAmount.seconds(15)

        private let configuration: ClientConfiguration
        private var phase = Phase.idle
        private var shell = SessionShell()
        private var scan = HTTPHeadScan.webSocks

        public init(_ configuration: ClientConfiguration) { self.configuration = configuration }

        public var deadline: NIODeadline? { self.shell.deadline }
        public var wantsBytes: Bool { self.shell.input.readableBytes < mostEarlyBytes }

        public mutating func start(now: NIODeadline) {
            self.phase = .starting
            self.shell.deadline = now + self.configuration.handshake
        }

        public mutating func receive(_ bytes: ByteBuffer) { self.shell.receive(bytes) }

        public mutating func receiveEnd() { self.shell.receiveEnd() }

        public mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
            switch self.shell.turn(now: now) {
            case .open: break
            case .late: if let action = self.late() { return action }
            case .over(let action): return action
            }
            do throws(WireError) {
                return try self.step(now: now)
            } catch {
                return self.shell.close(.violation(error))
            }
        }

        /// Opens the one stream there is; ``SessionAction/handOver(_:leftover:)`` or ``SessionAction/end(_:_:)`` follows.
        ///
        /// - Throws: `unsupported` for anything but TCP to a host with a name of 1 to 255 bytes, `sessionLost` before
        ///   ``SessionAction/ready`` and after the end, `limit` for a second stream.
        public mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
            guard SOCKS5.request(request.destination) != nil else { throw .unsupported }
            guard self.shell.isOpen else { throw .sessionLost }
            switch self.phase {
            case .ready where self.shell.hasEnded || self.shell.input.readableBytes > 0: throw .sessionLost
            case .ready: self.phase = .opening(request.destination)
            case .opening, .frame, .greeting, .method, .asking, .reply: throw .limit
            case .idle, .starting, .upgrading: throw .sessionLost
            }
            self.shell.deadline = now + self.configuration.opening
            return stream
        }

        /// Nobody waits for the stream any more, and the connection is good for no other one.
        public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
            switch self.phase {
            case .opening, .frame, .greeting, .method, .asking, .reply:
                self.shell.input = ByteBuffer()
                self.shell.receiveEnd()
                self.phase = .ready
                self.shell.deadline = nil
            case .idle, .starting, .upgrading, .ready: return
            }
        }
    }
}

extension WebSocks.AgentMachine {
    /// Nil where nothing is late: a connection in a pool only has something to say.
    private mutating func late() -> SessionAction? {
        switch self.phase {
        case .starting, .upgrading: self.shell.close(.timedOut(phase: "upgrade"))
        case .opening, .frame, .greeting, .method: self.refuse(.noServer)
        case .asking, .reply: self.refuse(.timedOut)
        case .idle, .ready: nil
        }
    }

    private mutating func step(now: NIODeadline) throws(WireError) -> SessionAction? {
        switch self.phase {
        case .idle: return nil
        case .starting: return try self.writeUpgrade()
        case .upgrading: return try self.readAnswer(now)
        case .ready: return try self.rest(now)
        case .opening(let destination): return self.writeOpening(destination)
        case .frame(let destination): return try self.readFrame(destination, now)
        case .greeting(let destination):
            self.phase = .method(destination)
            return .write(SOCKS5.greeting(withLogin: false))
        case .method(let destination): return try self.readMethod(destination, now)
        case .asking(let destination):
            self.phase = .reply(destination)
            return SOCKS5.request(destination).map { .write($0) }
        case .reply(let destination): return try self.readReply(destination)
        }
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
        guard let status = try self.shell.input.readWebSocksAnswer(&self.scan, self.configuration.decoding) else {
            return self.shell.hasEnded ? self.shell.close(.carrierLost("closed without an answer to the upgrade")) : nil
        }
        switch status {
        case 101:
            self.phase = .ready
            self.shell.deadline = now + Self.pongs
            return .ready
        case 401:
            return self.shell.close(
                .rejected("401: it does not know this user and password, or the clocks differ by more than a minute"))
        default: return self.shell.close(.rejected("status \(status) instead of an upgrade"))
        }
    }

    /// Waits for whoever opens the stream. The server says nothing meanwhile.
    private mutating func rest(_ now: NIODeadline) throws(WireError) -> SessionAction? {
        guard self.shell.input.readableBytes == 0 else {
            throw WireError(.unexpected, in: "frame", found: "bytes before it")
        }
        if self.shell.hasEnded { return self.shell.close(.finished) }
        guard let deadline = self.shell.deadline, deadline <= now else { return nil }
        self.shell.deadline = now + Self.pongs
        return .write(ByteBuffer(bytes: WebSocks.Frame.pong))
    }

    // MARK: The stream

    private mutating func writeOpening(_ destination: Destination) -> SessionAction {
        self.phase = .frame(destination)
        var bytes = ByteBuffer(bytes: WebSocks.Frame.bytes)
        if !self.configuration.isStrict, let request = SOCKS5.request(destination) {
            bytes.writeImmutableBuffer(SOCKS5.greeting(withLogin: false))
            bytes.writeImmutableBuffer(request)
        }
        return .write(bytes)
    }

    private mutating func readFrame(_ destination: Destination, _ now: NIODeadline) throws(WireError) -> SessionAction?
    {
        guard self.shell.input.readSlice(length: WebSocks.Frame.bytes.count) != nil else { return self.refuseIfEnded() }
        self.phase = self.configuration.isStrict ? .greeting(destination) : .method(destination)
        return try self.step(now: now)
    }

    private mutating func readMethod(_ destination: Destination, _ now: NIODeadline) throws(WireError) -> SessionAction?
    {
        guard let method = try self.shell.input.readSOCKS5Method() else { return self.refuseIfEnded() }
        switch method {
        case .noLogin: break
        case .password: throw WireError(.badValue, in: "method", found: "a login, which was not offered")
        case .noneAcceptable: return self.shell.close(.rejected("it takes no SOCKS5 without a login"))
        }
        self.phase = self.configuration.isStrict ? .asking(destination) : .reply(destination)
        self.shell.deadline = now + self.configuration.dialling
        return try self.step(now: now)
    }

    /// Deployed agents fail if more than the reply came in its read; we take it for what the target says.
    private mutating func readReply(_ destination: Destination) throws(WireError) -> SessionAction? {
        guard let reply = try self.shell.input.readSOCKS5Reply() else { return self.refuseIfEnded() }
        if let fault = reply.fault(reaching: destination) { return self.refuse(fault) }
        return self.shell.handOver(WebSocks.stream)
    }

    // MARK: The end

    private mutating func refuse(_ fault: StreamFault) -> SessionAction { self.shell.end(WebSocks.stream, fault) }

    private mutating func refuseIfEnded() -> SessionAction? { self.shell.hasEnded ? self.refuse(.noServer) : nil }
}
