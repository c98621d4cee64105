// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension JET {
    /// The end that joins who waits: asks the relay, and is then the carrier itself, for one stream.
    ///
    /// ```
    /// starting --request--> awaitingReply --200--> ready --open--> opening --hand-over--> closed
    ///                             +-- refused, sent on, bad bytes, time out, left --------^
    /// ```
    public struct ConnectMachine: SessionMachine {
        private enum Phase {
            case idle
            case starting
            case awaitingReply
            case ready
            case opening
            case closed
        }

        private static let stream = StreamID(0)
        public private(set) var deadline: NIODeadline?
        private var exchange: Exchange
        private var phase = Phase.idle
        private var hasEnded = false

        public init(_ configuration: ClientConfiguration) { self.exchange = Exchange(.connect, configuration) }

        /// What the partner says waits in the kernel until there is somebody to hear it.
        public var wantsBytes: Bool {
            switch self.phase {
            case .idle, .starting, .awaitingReply, .closed: true
            case .ready, .opening: false
            }
        }

        public mutating func start(now: NIODeadline) {
            self.phase = .starting
            self.deadline = now + self.exchange.configuration.handshake
        }

        public mutating func receive(_ bytes: ByteBuffer) {
            if case .closed = self.phase { return }
            self.exchange.input.take(bytes)
        }

        public mutating func receiveEnd() { self.hasEnded = true }

        public mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
            if let deadline, deadline <= now { return self.close(.timedOut(phase: "handshake")) }
            do throws(WireError) {
                switch self.phase {
                case .starting where self.exchange.configuration.isBare: return self.becomeReady()
                case .starting:
                    self.phase = .awaitingReply
                    return .write(try self.exchange.request())
                case .awaitingReply: return try self.readReply()
                case .ready: return self.closeIfUseless()
                case .opening:
                    let leftover = self.exchange.takeInput()
                    self.phase = .closed
                    return .handOver(Self.stream, leftover: leftover)
                case .idle, .closed: return nil
                }
            } catch {
                return self.close(.violation(error))
            }
        }

        /// Opens the one stream there is, whatever its destination's name: the relay was asked for it already. The answer is
        /// ``SessionAction/handOver(_:leftover:)``.
        ///
        /// - Throws: `unsupported` for datagrams, `sessionLost` before ``SessionAction/ready`` and after the end, `limit` for
        ///   a second stream.
        public mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
            if case .host(_, _, .udp) = request.destination { throw .unsupported }
            switch self.phase {
            case .ready:
                self.phase = .opening
                return Self.stream
            case .opening: throw .limit
            case .idle, .starting, .awaitingReply, .closed: throw .sessionLost
            }
        }

        public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
            guard case .opening = self.phase, stream == Self.stream else { return }
            self.phase = .ready
            self.hasEnded = true
            self.exchange.input = ByteBuffer()
        }
    }
}

extension JET.ConnectMachine {
    private mutating func readReply() throws(WireError) -> SessionAction? {
        guard let reply = try self.exchange.readReply() else {
            return self.hasEnded ? self.close(.carrierLost("closed without a reply")) : nil
        }
        switch reply.status {
        case JET.Reply.granted: return self.becomeReady()
        case JET.Reply.notFound:
            guard let instance = reply.instance, !instance.isEmpty else { break }
            let dialled = InstanceName(self.exchange.configuration.host)
            if !InstanceName(instance).hasSameHost(as: dialled) { return self.close(.redirected(instance)) }
        default: break
        }
        return self.close(.rejected(reply.statusText))
    }

    private mutating func becomeReady() -> SessionAction {
        self.phase = .ready
        self.deadline = nil
        return .ready
    }

    /// The partner left, and nothing it said is here to be heard.
    private mutating func closeIfUseless() -> SessionAction? {
        self.hasEnded && self.exchange.input.readableBytes == 0 ? self.close(.finished) : nil
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.phase = .closed
        self.deadline = nil
        self.exchange.input = ByteBuffer()
        return .close(reason)
    }
}
