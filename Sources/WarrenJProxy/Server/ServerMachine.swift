// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension JProxy {
    /// The server end of a session: judges the login, then yields the streams that the client opens.
    ///
    /// ```
    /// awaitingHello --hello--> awaitingHash --hash--> judging --verdict--> judged --key sent--> announcing --> active
    ///       |                       |                    |                    |                                  |
    ///       +------------ bad bytes, time out, denied, carrier ended ---------+----------------------------------+--> closed
    /// ```
    ///
    /// The claim's identity is the 32-byte hash; the verdict's credential is the user's public key (SPKI, DER). Whatever the
    /// client sends behind its login without waiting is kept.
    public struct ServerMachine: SessionMachine {
        private enum Phase {
            case awaitingHello
            case awaitingHash
            case judging
            case judged(Verdict)
            /// The key is sent; ``SessionAction/ready`` is the next step.
            case announcing
            case active
        }

        /// What may wait before the login is through.
        private static let mostEarlyBytes = 16 << 10

        private let configuration: ServerConfiguration
        private var random: any RandomNumberGenerator & Sendable
        private var phase = Phase.awaitingHello
        private var shell = SessionShell()
        /// Set once the login is through; boxed, as machines are copied to be asked.
        private var streams: Boxed<ServerStreams>?
        /// The version that the client named.
        private(set) var hello = Hello()

        public init(
            _ configuration: ServerConfiguration,
            random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
        ) {
            self.configuration = configuration
            self.random = random
        }

        public var deadline: NIODeadline? { self.shell.deadline ?? self.streams?.ask { $0.common.deadline } }
        public var wantsTurn: Bool { self.streams?.ask { $0.common.wantsTurn } ?? false }

        public var peerHoldsBack: Bool { self.streams?.value.common.isExtended == false }
        public var wantsBytes: Bool {
            self.streams?.value.common.wantsBytes ?? (self.shell.input.readableBytes < Self.mostEarlyBytes)
        }

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
                case .awaitingHello: return try self.readHello(now: now) ?? self.closeIfEnded()
                case .awaitingHash: return self.readHash() ?? self.closeIfEnded()
                case .judging: return self.closeIfEnded()
                case .judged(let verdict): return self.grant(verdict)
                case .announcing:
                    self.phase = .active
                    if let version = self.extensionVersion { self.streams?.value.welcome(version, now: now) }
                    return .ready
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

extension JProxy.ServerMachine {
    public mutating func judged(_ verdict: Verdict) {
        guard case .judging = self.phase else { return }  // the session closed while the judge was away
        self.phase = .judged(verdict)
    }

    public mutating func accept(_ stream: StreamID) { self.streams?.value.accept(stream) }
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

extension JProxy.ServerMachine {
    private mutating func readHello(now: NIODeadline) throws(WireError) -> SessionAction? {
        var reply = ByteBuffer()
        do throws(WireError) {
            guard let hello = try self.shell.input.readJProxyHello() else { return nil }
            self.hello = hello
            guard hello.major == JProxy.Hello.major
            else { throw WireError(.badValue, in: "hello.major", found: "\(hello.major)") }
        } catch {
            reply.writeJProxyHelloReply(JProxy.Answer.refused)
            return self.shell.close(.violation(error), saying: reply)
        }
        reply.writeJProxyHelloReply(JProxy.Answer.accepted)
        self.phase = .awaitingHash
        self.shell.deadline = now + self.configuration.limits.handshake
        return .write(reply)
    }

    /// The version of the extension to use; nil if either end knows none, or is not to use it.
    private var extensionVersion: UInt8? {
        guard self.configuration.usesExtension, self.configuration.dialect == .deployed else { return nil }
        return JProxy.Extension.version(announcedBy: self.hello.minor)
    }

    private mutating func readHash() -> SessionAction? {
        guard let hash = self.shell.input.readBytes(length: JProxy.Login.hash) else { return nil }
        self.phase = .judging
        return .authenticate(Claim(identity: hash))
    }

    /// Answers the login: `00 | session key under the client's RSA key, 256B` in one write, or `01`.
    private mutating func grant(_ verdict: Verdict) -> SessionAction? {
        let key = JProxy.SessionKey.random(using: &self.random)
        guard case .accepted(_, let publicKey) = verdict,
            let encrypted = JProxy.SessionKey.encrypt(key, publicKey: publicKey)
        else {
            return self.shell.close(.denied, saying: ByteBuffer(integer: JProxy.Answer.refused))
        }
        let settings = Multiplexer.Settings(
            dialect: self.configuration.dialect, side: .server, isStrict: self.configuration.strict,
            linger: self.configuration.linger, stall: self.configuration.stall, limits: self.configuration.limits)
        let common = Multiplexer(settings, cipher: PacketCipher(key: key), early: self.shell.pass())
        self.streams = Boxed(ServerStreams(common, isStrict: self.configuration.strict))
        self.phase = .announcing
        var reply = ByteBuffer(integer: JProxy.Answer.accepted)
        reply.writeBytes(encrypted)
        return .write(reply)
    }

    private mutating func closeIfEnded() -> SessionAction? {
        guard self.shell.hasEnded else { return nil }
        guard let streams else {
            return self.close(.carrierLost("the client left in \(self.phaseName)"))
        }
        return self.close(
            streams.value.common.isInsidePacket ? .violation(WireError(.truncated, in: "packet")) : .finished)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.streams = nil
        return self.shell.close(reason)
    }

    private var phaseName: String {
        switch self.phase {
        case .awaitingHello: "hello"
        case .awaitingHash, .judging, .judged: "login"
        case .announcing, .active: "session"
        }
    }
}
