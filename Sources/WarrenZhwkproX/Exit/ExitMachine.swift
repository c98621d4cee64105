// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension ZhwkproX {
    /// The exit's end of a session ("server" in the protocol's words): dials, asks the inter-server for proof that it has
    /// the key, then yields the streams that it opens.
    ///
    /// ```
    /// starting --hello--> awaitingVersion --80, challenge--> awaitingReply --proof, 01--> parting, announcing --> active
    ///                            |                                 |                                        |
    ///                            +--- bad bytes, no proof, time out, carrier ended --> (closing) -----------+--> closed
    /// ```
    ///
    /// It never says who it is, and the inter-server never asks.
    public struct ExitMachine: SessionMachine {
        private enum Phase {
            case starting
            case awaitingVersion
            case awaitingReply
            /// The login is through. Toward a deployed peer messages are to leave one by one.
            case parting
            /// ``SessionAction/ready`` is the next step.
            case announcing
            case active
        }

        /// What may wait before the login is through.
        private static let mostEarlyBytes = 16 << 10

        private let configuration: ExitConfiguration
        private var random: any RandomNumberGenerator & Sendable
        private var phase = Phase.starting
        private var shell = SessionShell()
        private var login: AuthReply
        private var streams = LiveStreams<ExitStreams>()

        public init(
            _ configuration: ExitConfiguration,
            random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
        ) {
            self.configuration = configuration
            self.random = random
            self.login = AuthReply(key: configuration.key, isStrict: configuration.strict)
        }

        public var wantsTurn: Bool { self.streams.wantsTurn }

        public var deadline: NIODeadline? {
            guard let loginDeadline = self.shell.deadline else { return self.streams.deadline }
            return min(loginDeadline, self.login.deadline ?? loginDeadline)
        }

        public var wantsBytes: Bool {
            self.streams.exist ? self.streams.wantsBytes : self.shell.input.readableBytes < Self.mostEarlyBytes
        }

        public mutating func start(now: NIODeadline) { self.shell.deadline = now + self.configuration.limits.handshake }

        public mutating func receive(_ bytes: ByteBuffer) {
            if self.streams.exist { self.streams.receive(bytes) } else { self.shell.receive(bytes) }
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
                    self.phase = .awaitingVersion
                    return .write(Self.hello)
                case .awaitingVersion:
                    return try self.readVersion() ?? self.closeIfEnded()
                case .awaitingReply:
                    return try self.readReply(now: now) ?? self.closeIfEnded()
                case .parting:
                    self.phase = .announcing
                    if !self.isExtended { return .isolateWrites }
                    return self.next(now: now, writable: writable)
                case .announcing:
                    self.phase = .active
                    return .ready
                case .active:
                    if self.streams.isPeerGone(now: now) { return self.close(.timedOut(phase: "keep-alive")) }
                    return try self.streams.next(now: now, writable: writable) ?? self.closeIfEnded()
                }
            } catch {
                if case .awaitingReply = self.phase { return self.refuse(.violation(error)) }
                return self.close(.violation(error))
            }
        }
    }
}

// MARK: Commands

extension ZhwkproX.ExitMachine {
    /// Whether both ends speak Warren's extension.
    public var isExtended: Bool { self.streams.isExtended }

    public mutating func isolated(segment: Int) { self.streams.isolated(segment: segment, self.configuration.pieces) }
    public func hasRoom(on stream: StreamID) -> Bool { self.streams.hasRoom(on: stream) }
    public mutating func accept(_ stream: StreamID) { self.streams.accept(stream) }
    public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) { self.streams.send(bytes, on: stream) }
    public mutating func finish(_ stream: StreamID) { self.streams.finish(stream) }
    public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) { self.streams.reset(stream, fault) }
    public mutating func consumed(_ count: Int, on stream: StreamID) { self.streams.consumed(count, on: stream) }
}

// MARK: Login

extension ZhwkproX.ExitMachine {
    /// `80 01 00`
    private static var hello: ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeZhwkproXHello()
        return bytes
    }

    private var announces: Bool { self.configuration.usesExtension && self.configuration.dialect == .deployed }

    /// Reads `80`, answers `size 1 | challenge 22`.
    private mutating func readVersion() throws(WireError) -> SessionAction? {
        guard try self.shell.input.readZhwkproXVersion() != nil else { return nil }
        let count = ZhwkproX.Login.challenge - (self.announces ? ZhwkproX.Extension.mark : 0)
        let random = (0..<count).map { _ in UInt8(truncatingIfNeeded: self.random.next()) }
        self.login.challenge =
            self.announces ? ZhwkproX.Extension.challenge(random: random, key: self.configuration.key) : random
        self.phase = .awaitingReply
        var bytes = ByteBuffer()
        bytes.writeZhwkproXSized(self.login.challenge)
        return .write(bytes)
    }

    /// Reads `size 1 | ciphertext`, answers `01`.
    private mutating func readReply(now: NIODeadline) throws(WireError) -> SessionAction? {
        guard let verdict = try self.login.read(&self.shell.input, now: now) else { return nil }
        guard let suffix = verdict.suffix else { return self.refuse(.denied) }
        self.startStreams(
            isExtended: self.announces
                && ZhwkproX.Extension.isMarked(suffix: suffix, to: self.login.challenge, key: self.configuration.key),
            now: now)
        self.phase = .parting
        return .write(ByteBuffer(integer: ZhwkproX.Login.succeeded))
    }

    private mutating func startStreams(isExtended: Bool, now: NIODeadline) {
        let settings = Multiplexer.Settings(
            format: isExtended ? .extended : .plain, key: self.configuration.key,
            pieces: isExtended ? ZhwkproX.Extension.pieces : self.configuration.pieces ?? ZhwkproX.safePieces,
            gap: isExtended ? nil : self.configuration.gap, largestMessage: self.configuration.largestMessage,
            limits: self.configuration.limits)
        let common = Multiplexer(settings, early: self.shell.pass())
        self.streams =
            isExtended
            ? LiveStreams(extended: ExtendedStreams(common, side: .exit, now: now))
            : LiveStreams(plain: ExitStreams(common, self.configuration))
    }

    /// Deployed exits say nothing to an inter-server without the key; the document has them say `00`.
    private mutating func refuse(_ reason: CloseReason) -> SessionAction {
        guard self.configuration.dialect == .document else { return self.close(reason) }
        return self.shell.close(reason, saying: ByteBuffer(integer: ZhwkproX.Login.failed))
    }

    private mutating func closeIfEnded() -> SessionAction? {
        guard self.shell.hasEnded else { return nil }
        guard self.streams.exist else { return self.close(.carrierLost("the inter-server left in \(self.phaseName)")) }
        let isCut = self.streams.isInsideMessage
        return self.close(isCut ? .violation(WireError(.truncated, in: "message")) : .finished)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.streams = LiveStreams()
        return self.shell.close(reason)
    }

    private var phaseName: String {
        switch self.phase {
        case .starting, .awaitingVersion: "hello"
        case .awaitingReply: "login"
        case .parting, .announcing, .active: "session"
        }
    }
}
