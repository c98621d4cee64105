// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension VProxy {
    /// The server end of a tunnel: yields streams that name no target.
    ///
    /// ```
    /// handshake --SETTINGS, answered--> active --bad frames, SHUTDOWN, silence, end--> closed
    ///     +------------- time out, something else, SHUTDOWN -----------------------------+
    /// ```
    ///
    /// A deployed client is told yes at once; if the stream is refused then, it sees an end without a byte.
    public struct ServerMachine: SessionMachine {
        private var tunnel: Tunnel

        public init(_ configuration: Configuration = Configuration()) {
            self.tunnel = Tunnel(.server, configuration)
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

extension VProxy.ServerMachine {
    public mutating func accept(_ stream: StreamID) { self.tunnel.streams?.value.accept(stream) }

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
