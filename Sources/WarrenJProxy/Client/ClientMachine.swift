// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension JProxy {
    /// The client end of a session: logs in with its key file, then opens streams.
    ///
    /// ```
    /// starting --hello--> awaitingHello --00, hash--> awaitingVerdict --00--> awaitingKey --key--> active
    ///                          |                            |                     |             |
    ///                          +---- bad bytes, refused, time out, carrier ended --------------+--> closed
    /// ```
    ///
    /// The hash follows the answer to the hello: what listens on a wrong port, and speaks another protocol, learns nothing.
    public struct ClientMachine: SessionMachine {
        private enum Phase {
            case starting
            case awaitingHello
            case awaitingVerdict
            case awaitingKey
            case active
        }

        private let configuration: ClientConfiguration
        private var random: any RandomNumberGenerator & Sendable
        private var phase = Phase.starting
        private var shell = SessionShell()
        /// Set once the login is through; boxed, as machines are copied to be asked.
        private var streams: Boxed<ClientStreams>?

        public init(
            _ configuration: ClientConfiguration,
            random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
        ) {
            self.configuration = configuration
            self.random = random
        }

        public var deadline: NIODeadline? { self.shell.deadline ?? self.streams?.ask { $0.common.deadline } }
        public var wantsTurn: Bool { self.streams?.ask { $0.common.wantsTurn } ?? false }
        public var wantsBytes: Bool { self.streams?.value.common.wantsBytes ?? true }
        public var peerHoldsBack: Bool { self.streams?.value.common.isExtended == false }

        public mutating func start(now: NIODeadline) { self.shell.deadline = now + self.configuration.limits.handshake }

        public mutating func receive(_ bytes: ByteBuffer) {
            if self.streams != nil { self.streams?.value.common.receive(bytes) } else { self.shell.receive(bytes) }
        }

        public mutating func receiveEnd() { self.shell.receiveEnd() }

        public mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
            switch self.shell.turn(now: now) {
            case .open: break
            case .late: return self.close(.timedOut(phase: self.phaseName))
            case .over(let action): return action
            }
            do throws(WireError) {
                switch self.phase {
                case .starting:
                    self.phase = .awaitingHello
                    return .write(self.hello)
                case .awaitingHello, .awaitingVerdict, .awaitingKey:
                    return try self.readLogin(now: now) ?? self.closeIfEnded()
                case .active:
                    if self.streams?.value.common.isPeerGone(now: now) == true {
                        return self.close(.timedOut(phase: "keep-alive"))
                    }
                    return try self.streams?.value.next(now: now, writable: writable) ?? self.closeIfEnded()
                }
            } catch {
                return self.close(.violation(error))
            }
        }
    }
}

// MARK: Commands

extension JProxy.ClientMachine {
    /// - Throws: `unsupported` for what the dialect cannot name, `unknownHost` for a name longer than 255 bytes, `limit` when
    ///   all streams or ids are in use, `sessionLost` before ``SessionAction/ready`` and after the end.
    public mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        guard let stream = try self.streams?.value.open(request, now: now) else { throw .sessionLost }
        return stream
    }

    public func hasRoom(on stream: StreamID) -> Bool { self.streams?.value.common.hasRoom(on: stream) ?? true }
    public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        self.streams?.value.common.send(bytes, on: stream)
    }
    public mutating func finish(_ stream: StreamID) { self.streams?.value.common.finish(stream) }
    public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) { self.streams?.value.reset(stream, fault) }
    public mutating func consumed(_ count: Int, on stream: StreamID) {
        self.streams?.value.common.consumed(count, on: stream)
    }
}

// MARK: Login

extension JProxy.ClientMachine {
    private var hello: ByteBuffer {
        var bytes = ByteBuffer()
        let minor = self.announces ? JProxy.Extension.minor(announcing: JProxy.Extension.version) : 0
        bytes.writeJProxyHello(JProxy.Hello(minor: minor))
        return bytes
    }

    private var announces: Bool { self.configuration.usesExtension && self.configuration.dialect == .deployed }

    /// Reads `magic 6B | status u8`, then `status u8`, then the session key under RSA, 256 bytes.
    private mutating func readLogin(now: NIODeadline) throws(WireError) -> SessionAction? {
        if case .awaitingHello = self.phase {
            guard let status = try self.shell.input.readJProxyHelloReply() else { return nil }
            guard status == JProxy.Answer.accepted else { return self.close(.rejected("unsupported version")) }
            self.phase = .awaitingVerdict
            self.shell.deadline = now + self.configuration.limits.handshake
            return .write(ByteBuffer(bytes: self.configuration.key.hash))
        }
        if case .awaitingVerdict = self.phase {
            guard let status = self.shell.input.readInteger(as: UInt8.self) else { return nil }
            guard status == JProxy.Answer.accepted else { return self.close(.rejected("unknown key")) }
            self.phase = .awaitingKey
        }
        guard let encrypted = self.shell.input.readBytes(length: JProxy.Login.encryptedKey) else { return nil }
        let privateKey = self.configuration.key.pkcs8
        let key = JProxy.SessionKey.decrypt(encrypted, privateKey: privateKey, using: &self.random)
        let settings = Multiplexer.Settings(
            dialect: self.configuration.dialect, side: .client, isStrict: false, linger: self.configuration.linger,
            stall: self.configuration.stall, connectTimeout: self.configuration.connectTimeout,
            limits: self.configuration.limits)
        let common = Multiplexer(settings, cipher: PacketCipher(key: key), early: self.shell.pass())
        self.streams = Boxed(
            ClientStreams(common, announced: self.announces, ids: self.configuration.ids, now: now))
        self.phase = .active
        return .ready
    }

    private mutating func closeIfEnded() -> SessionAction? {
        guard self.shell.hasEnded else { return nil }
        guard let streams else { return self.close(.carrierLost("the server left in \(self.phaseName)")) }
        return self.close(
            streams.value.common.isInsidePacket ? .violation(WireError(.truncated, in: "packet")) : .finished)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.streams = nil
        return self.shell.close(reason)
    }

    private var phaseName: String {
        switch self.phase {
        case .starting, .awaitingHello: "hello"
        case .awaitingVerdict, .awaitingKey: "login"
        case .active: "session"
        }
    }
}
