// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension WebSocks {
    /// The server of one agent's connection.
    ///
    /// ```
    /// head --login--> judging --yes, 101--> frame --10 bytes--> greeting --> request --open--> target --> handed over
    ///  ^ ^              |                    ^ |                  |            |                 |
    ///  | +-400, 401-----+                    +-+ PONG             +--05 FF-----+--a reply--------+--> closed
    ///  +-- a page --+
    /// ```
    ///
    /// A request that fails leaves the connection open for another one; one whose head cannot be read closes it. In the
    /// ``Dialect/deployed`` dialect the agent hears "yes" before the target is reached. What the target says first is held back
    /// until the agent has said something or ``ServerConfiguration/hold`` is over, because deployed agents fail if they read it
    /// together with the reply; then the carrier is handed over.
    public struct ServerMachine: SessionMachine {
        enum Phase {
            case idle
            case head
            case judging(accept: String, offers: Bool)
            case judged(Verdict, accept: String, offers: Bool)
            case frame
            case greeting
            case request
            /// The stream is open toward us; the port is the one that was asked for.
            case target(port: UInt16)
        }

        enum Target {
            case dialing
            case reached
            case refused(StreamFault)
            case gone(StreamFault?)
        }

        let configuration: ServerConfiguration
        var phase = Phase.idle
        var shell = SessionShell()
        var scan = HTTPHeadScan.webSocks
        /// Bytes of a body that nobody wants and that are still to come.
        var unwanted = 0
        var requests = 0
        var target = Target.dialing
        var held = HeldBytes()
        /// When the target's bytes may leave; nil before the reply.
        var heldUntil: NIODeadline?
        /// What the agent had sent when the reply left: more than that is an answer to it.
        var inputAtReply = 0
        var isReleased = false

        public init(_ configuration: ServerConfiguration) { self.configuration = configuration }

        public var deadline: NIODeadline? {
            guard self.shell.isOpen, case .target = self.phase else { return self.shell.deadline }
            guard !self.isReleased else { return nil }
            switch self.target {
            case .reached, .gone: return self.heldUntil
            case .dialing, .refused: return nil
            }
        }

        public var wantsBytes: Bool { self.shell.input.readableBytes < mostEarlyBytes }

        public mutating func start(now: NIODeadline) {
            self.phase = .head
            self.shell.deadline = now + self.configuration.handshake
        }

        public mutating func receive(_ bytes: ByteBuffer) { self.shell.receive(bytes) }

        public mutating func receiveEnd() { self.shell.receiveEnd() }

        public mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
            switch self.shell.turn(now: now) {
            case .open: break
            case .late: return self.closeLate()
            case .over(let action): return action
            }
            switch self.phase {
            case .idle, .judging: return nil
            // Whoever does not read answers gets no further ones.
            case .head: return writable ? self.readHead() : nil
            case .judged(let verdict, let accept, let offers): return self.answer(verdict, accept, offers, now: now)
            case .frame: return self.readFrame(now: now)
            case .greeting: return self.readGreeting()
            case .request: return self.readRequest()
            case .target(let port): return self.turn(port, now: now, writable: writable)
            }
        }

        public mutating func judged(_ verdict: Verdict) {
            guard case .judging(let accept, let offers) = self.phase else { return }
            self.phase = .judged(verdict, accept: accept, offers: offers)
        }

        public mutating func accept(_ stream: StreamID) {
            guard self.shell.isOpen, case .target = self.phase, case .dialing = self.target else { return }
            self.target = .reached
        }

        public func hasRoom(on stream: StreamID) -> Bool { self.held.hasRoom }

        public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
            guard self.shell.isOpen, case .target = self.phase, case .reached = self.target else { return }
            self.held.append(bytes)
        }

        /// The target cannot be had, or is gone.
        public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
            guard self.shell.isOpen, case .target = self.phase else { return }
            switch self.target {
            case .dialing: self.target = .refused(fault ?? .failed)
            case .reached: self.target = .gone(fault)
            case .refused, .gone: return
            }
        }

        mutating func waitOrClose() -> SessionAction? { self.shell.hasEnded ? self.close(.finished) : nil }

        /// Says a last thing, then ends.
        mutating func farewell(_ bytes: ByteBuffer, _ reason: CloseReason) -> SessionAction {
            self.shell.close(reason, saying: bytes)
        }

        mutating func close(_ reason: CloseReason) -> SessionAction {
            self.held = HeldBytes()
            return self.shell.close(reason)
        }

        private mutating func closeLate() -> SessionAction {
            switch self.phase {
            case .frame: self.close(.timedOut(phase: "the wait for a frame"))
            case .greeting, .request: self.close(.timedOut(phase: "SOCKS5 request"))
            case .idle, .head, .judging, .judged, .target: self.close(.timedOut(phase: "upgrade"))
            }
        }
    }
}
