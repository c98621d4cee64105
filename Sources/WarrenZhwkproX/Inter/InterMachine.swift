// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension ZhwkproX {
    /// The inter-server's end of a session: an exit has dialled it; it proves that it has the key, then opens streams.
    ///
    /// ```
    /// awaitingHello --80 n methods, 80--> awaitingChallenge --proof--> awaitingVerdict --01--> active
    ///       |                                     |                          |                   |
    ///       +---------- bad bytes, refused, time out, carrier ended ---------+-------------------+--> closed
    /// ```
    ///
    /// The protocol gives it no way to know who the exit is: that is for the carrier (TLS) and for whoever accepts it.
    public struct InterMachine: SessionMachine {
        private enum Phase {
            case awaitingHello
            case awaitingChallenge
            case awaitingVerdict
            /// The login is through; ``SessionAction/ready`` is the next step.
            case announcing
            case active
        }

        /// What may wait before the login is through.
        private static let mostEarlyBytes = 16 << 10

        private let configuration: InterConfiguration
        private var random: any RandomNumberGenerator & Sendable
        private var phase = Phase.awaitingHello
        private var shell = SessionShell()
        /// The exit knows the extension, and is told that we do.
        private var usesExtension = false
        private var answeredAt = NIODeadline.uptimeNanoseconds(0)
        private var streams = LiveStreams<InterStreams>()

        public init(
            _ configuration: InterConfiguration,
            random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
        ) {
            self.configuration = configuration
            self.random = random
        }

        public var deadline: NIODeadline? { self.shell.deadline ?? self.streams.deadline }
        public var wantsTurn: Bool { self.streams.wantsTurn }

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
                case .awaitingHello:
                    return try self.readHello() ?? self.closeIfEnded()
                case .awaitingChallenge:
                    return self.readChallenge(now: now) ?? self.closeIfEnded()
                case .awaitingVerdict:
                    return self.readVerdict(now: now) ?? self.closeIfEnded()
                case .announcing:
                    return self.announce()
                case .active:
                    if self.streams.isPeerGone(now: now) { return self.close(.timedOut(phase: "keep-alive")) }
                    return try self.streams.next(now: now, writable: writable) ?? self.closeIfEnded()
                }
            } catch {
                return self.close(.violation(error))
            }
        }
    }
}

// MARK: Commands

extension ZhwkproX.InterMachine {
    /// Whether both ends speak Warren's extension.
    public var isExtended: Bool { self.streams.isExtended }

    /// Payload that came for no stream, or for one that its user had left, and was dropped: bytes.
    public var strayBytes: Int { self.streams.plain?.value.strayBytes ?? 0 }

    /// A destination in use is waited for: `opened` comes later then, or `end` with `limit`.
    ///
    /// - Throws: `unsupported` for anything but TCP to an address, `limit` when all places, also to wait, are taken,
    ///   `sessionLost` before ``SessionAction/ready`` and after the end.
    public mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        try self.streams.open(request, now: now)
    }

    public mutating func isolated(segment: Int) { self.streams.isolated(segment: segment, self.configuration.pieces) }
    public func hasRoom(on stream: StreamID) -> Bool { self.streams.hasRoom(on: stream) }
    public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) { self.streams.send(bytes, on: stream) }
    public mutating func finish(_ stream: StreamID) { self.streams.finish(stream) }
    public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) { self.streams.reset(stream, fault) }
    public mutating func consumed(_ count: Int, on stream: StreamID) { self.streams.consumed(count, on: stream) }
}

// MARK: Login

extension ZhwkproX.InterMachine {
    private mutating func readHello() throws(WireError) -> SessionAction? {
        guard try self.shell.input.readZhwkproXHello() != nil else { return nil }
        self.phase = .awaitingChallenge
        return .write(ByteBuffer(integer: ZhwkproX.Hello.version))
    }

    /// Reads `size 1 | challenge`, answers `size 1 | CFB128(challenge ‖ 8 to 32 random bytes)`.
    private mutating func readChallenge(now: NIODeadline) -> SessionAction? {
        guard let challenge = self.shell.input.readZhwkproXSized() else { return nil }
        let key = self.configuration.key
        self.usesExtension =
            self.configuration.usesExtension && ZhwkproX.Extension.isMarked(challenge: challenge, key: key)
        let mark = self.usesExtension ? ZhwkproX.Extension.mark : 0
        let suffix = ZhwkproX.Login.suffix
        let count = Int.random(in: suffix.lowerBound...suffix.upperBound, using: &self.random) - mark
        let random = (0..<count).map { _ in UInt8(truncatingIfNeeded: self.random.next()) }
        let answer =
            self.usesExtension ? ZhwkproX.Extension.suffix(random: random, to: challenge, key: key) : random
        var bytes = ByteBuffer()
        bytes.writeZhwkproXSized(MessageCipher(key).encrypted(challenge + answer))
        self.answeredAt = now
        self.phase = .awaitingVerdict
        return .write(bytes)
    }

    /// Reads the exit's verdict: anything but `00` is a yes.
    private mutating func readVerdict(now: NIODeadline) -> SessionAction? {
        guard let status = self.shell.input.readInteger(as: UInt8.self) else { return nil }
        guard status != ZhwkproX.Login.failed else { return self.close(.rejected("wrong key")) }
        let settings = Multiplexer.Settings(
            format: self.usesExtension ? .extended : .plain, key: self.configuration.key,
            pieces: self.usesExtension
                ? ZhwkproX.Extension.pieces : self.configuration.pieces ?? ZhwkproX.safePieces,
            gap: self.usesExtension ? nil : self.configuration.gap, largestMessage: self.configuration.largestMessage,
            limits: self.configuration.limits)
        let common = Multiplexer(settings, early: self.shell.pass())
        let roundTrip = now - self.answeredAt
        self.streams =
            self.usesExtension
            ? LiveStreams(
                extended: ExtendedStreams(
                    common, side: .inter, connectTimeout: self.configuration.connectTimeout, now: now))
            : LiveStreams(plain: InterStreams(common, self.configuration, roundTrip: roundTrip))
        self.phase = .announcing
        return self.usesExtension ? self.announce() : .isolateWrites
    }

    private mutating func announce() -> SessionAction {
        self.phase = .active
        return .ready
    }

    private mutating func closeIfEnded() -> SessionAction? {
        guard self.shell.hasEnded else { return nil }
        guard self.streams.exist else { return self.close(.carrierLost("the exit left in \(self.phaseName)")) }
        let isCut = self.streams.isInsideMessage
        return self.close(isCut ? .violation(WireError(.truncated, in: "message")) : .finished)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.streams = LiveStreams()
        return self.shell.close(reason)
    }

    private var phaseName: String {
        switch self.phase {
        case .awaitingHello: "hello"
        case .awaitingChallenge, .awaitingVerdict: "login"
        case .announcing, .active: "session"
        }
    }
}
