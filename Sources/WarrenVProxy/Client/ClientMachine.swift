// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension VProxy {
    /// The client end of a tunnel: opens streams, without a login and without a target.
    ///
    /// ```
    /// starting --SETTINGS--> handshake --SETTINGS--> announcing --PING answered, 1 s--> active
    ///                            |                       |                                |
    ///                            +--- time out, bad frames, SHUTDOWN, silence, end -------+--> closed
    /// ```
    ///
    /// Nothing follows the SETTINGS before the answer: a deployed server would leave it lying. The PING asks whether the server
    /// is a Warren; without the extension there is none. ``SessionAction/close(_:)`` with `finished` also when all ids are used
    /// up and the last stream is over: a new session has new ones.
    public struct ClientMachine: SessionMachine {
        private var tunnel: Tunnel

        public init(_ configuration: Configuration = Configuration()) {
            self.init(configuration, lastID: nil)
        }

        /// - Parameter lastID: counts as used, and all below; for tests of what happens when they run out.
        init(_ configuration: Configuration, lastID: UInt32?) {
            self.tunnel = Tunnel(.client, configuration, lastID: lastID)
        }

        public var deadline: NIODeadline? { self.tunnel.deadline }
        public var wantsTurn: Bool { self.tunnel.wantsTurn }
        public var wantsBytes: Bool { self.tunnel.wantsBytes }
        public var mayEndInOrder: Bool { self.tunnel.mayEndInOrder }

        public mutating func start(now: NIODeadline) { self.tunnel.start(now: now) }
        public mutating func receive(_ bytes: ByteBuffer) { self.tunnel.receive(bytes) }
        public mutating func receiveEnd() { self.tunnel.receiveEnd() }
        public mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
            self.tunnel.next(now: now, writable: writable)
        }
    }
}

// MARK: Commands

extension VProxy.ClientMachine {
    /// - Throws: `unsupported` for any destination but ``Destination/fixed``, `limit` when all streams or ids are in use,
    ///   `sessionLost` before ``SessionAction/ready`` and after the end.
    public mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        guard let stream = try self.tunnel.streams?.value.open(request, now: now) else { throw .sessionLost }
        return stream
    }

    public func hasRoom(on stream: StreamID) -> Bool { self.tunnel.streams?.value.hasRoom(on: stream) ?? true }
    public mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        self.tunnel.streams?.value.send(bytes, on: stream)
    }
    public mutating func finish(_ stream: StreamID) { self.tunnel.streams?.value.finish(stream) }
    public mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        self.tunnel.streams?.value.reset(stream, fault)
    }
    public mutating func consumed(_ count: Int, on stream: StreamID) {
        self.tunnel.streams?.value.consumed(count, on: stream)
    }

    /// As ``VProxy/Configuration/acknowledges`` says.
    public var hearsAcknowledgements: Bool { self.tunnel.hearsAcknowledgements }
    public mutating func acknowledged(upTo count: UInt64) { self.tunnel.streams?.value.acknowledged(upTo: count) }

    @discardableResult public mutating func shutDown() -> Bool { self.tunnel.shutDown() }
}
