// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension MProxy {
    /// The relay's end of one device's tunnel: judges its tokens, serves their names, and opens a stream for every visitor.
    ///
    /// ```
    ///        ---add_token--> judging ---accepted--> ready, serve…, grant, ack ---+
    ///   up <----------- denied, acknowledged so ------+                          |   (again and again)
    ///    ^ <---------------------------------------------------------------------+
    ///    +-- delete_token: withdraw…, ack
    ///    +-- bad frames, no token in time, denied too often, carrier ended --> closed
    /// ```
    ///
    /// A claim's proof is the token; its identity stays empty, as identities are logged. The verdict's credential is the token's
    /// payload (see ``Entitlement``). The visitor's address is ``StreamRequest/source``, and what it speaks
    /// ``StreamRequest/scheme``. A name is served with all that is under it.
    public struct RelayMachine: SessionMachine {
        private let configuration: RelayConfiguration
        /// Set by ``start(now:)`` until the end; boxed, as machines are copied to be asked.
        private var session: Boxed<RelaySession>?
        private var hasEnded = false

        public init(_ configuration: RelayConfiguration) { self.configuration = configuration }

        public var deadline: NIODeadline? { self.session?.ask { $0.deadline } }
        public var wantsTurn: Bool { self.session?.ask { $0.common.wantsTurn } ?? false }
        public var wantsBytes: Bool { self.session?.value.wantsBytes ?? true }

        public mutating func start(now: NIODeadline) {
            self.session = Boxed(RelaySession(self.configuration, now: now))
            // Where there are no control messages, there is no other way to bring one.
            if self.configuration.dialect == .go, self.configuration.token == nil { self.session?.value.close(.denied) }
        }

        public mutating func receive(_ bytes: ByteBuffer) { self.session?.value.common.unpacker.receive(bytes) }
        public mutating func receiveEnd() { self.hasEnded = true }

        public mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
            do throws(WireError) {
                guard let action = try self.session?.value.next(now: now, writable: writable) else {
                    return self.closeIfEnded()
                }
                if case .close = action { self.session = nil }
                return action
            } catch {
                return self.close(.violation(error))
            }
        }

        private mutating func closeIfEnded() -> SessionAction? {
            guard self.hasEnded, let session else { return nil }
            let isCut = session.value.common.unpacker.isInsideFrame
            return self.close(isCut ? .violation(WireError(.truncated, in: "frame")) : .finished)
        }

        private mutating func close(_ reason: CloseReason) -> SessionAction {
            self.session = nil
            return .close(reason)
        }
    }
}

// MARK: Commands

extension MProxy.RelayMachine {
    public mutating func judged(_ verdict: Verdict) { self.session?.value.judged(verdict) }
    public mutating func withheld(_ destination: Destination, _ reason: Withholding) {
        self.session?.value.withheld(destination, reason)
    }

    /// - Throws: `unsupported` for what is no service, for a scheme that is none, and for a name that does not fit into a header;
    ///   `limit` when all streams or addresses are in use; `sessionLost` before ``SessionAction/ready`` and after the end.
    public mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        guard let stream = try self.session?.value.open(request) else { throw .sessionLost }
        return stream
    }

    public func hasRoom(on stream: StreamID) -> Bool { self.session?.value.common.hasRoom(on: stream) ?? true }
    public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        self.session?.value.common.send(bytes, on: stream)
    }
    public mutating func finish(_ stream: StreamID) { self.session?.value.common.finish(stream) }
    public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        self.session?.value.common.reset(stream, fault)
    }
    public mutating func consumed(_ count: Int, on stream: StreamID) {
        self.session?.value.common.consumed(count, on: stream)
    }
}
