// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension MProxy {
    /// The device's end of a tunnel: brings its tokens, then yields a stream for every visitor.
    ///
    /// ```
    /// listening --hello--> asking (add_token…) --one acknowledged--> up (ready, granted…)
    ///     |                    |                                       ^   |
    ///     +-- another first word, or none --> a relay in Go -----------+   |
    ///     +---- bad frames, all tokens refused, no answer, carrier ended --+--> closed
    /// ```
    ///
    /// A stream's destination is the service that the visitor asked for, its source the visitor's address.
    public struct DeviceMachine: SessionMachine {
        private let configuration: DeviceConfiguration
        /// Set by ``start(now:)`` until the end; boxed, as machines are copied to be asked.
        private var session: Boxed<DeviceSession>?
        private var hasEnded = false

        public init(_ configuration: DeviceConfiguration) { self.configuration = configuration }

        public var deadline: NIODeadline? { self.session?.ask { $0.deadline } }
        public var wantsTurn: Bool { self.session?.ask { $0.wantsTurn } ?? false }
        public var wantsBytes: Bool { self.session?.value.common.wantsBytes ?? true }
        /// Which kind of relay it turned out to be; nil as long as nobody knows.
        public var dialect: Dialect? { self.session?.value.dialect }

        /// Another Warren lists everything; relays of node.js name the first of each kind, those in Go nothing.
        public var grantList: GrantList {
            guard let session = self.session?.value else { return .whole }
            return session.dialect == .go ? .none : session.common.isExtended ? .whole : .partial
        }

        public mutating func start(now: NIODeadline) {
            self.session = Boxed(DeviceSession(self.configuration, now: now))
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
            if session.value.common.unpacker.isInsideFrame {
                return self.close(.violation(WireError(.truncated, in: "frame")))
            }
            // A relay that refuses the token of the upgrade says so, and leaves; so does one whose last token has expired.
            let isOver = !session.value.isAccepted || session.value.refusal == .expired
            if session.value.refusal != nil, isOver {
                return self.close(.rejected(session.value.refusalText))
            }
            return self.close(.finished)
        }

        private mutating func close(_ reason: CloseReason) -> SessionAction {
            self.session = nil
            return .close(reason)
        }
    }
}

// MARK: Tokens

extension MProxy.DeviceMachine {
    /// Brings one more token, or the same one again; relays in Go take none. Said with the next step.
    public mutating func addToken(_ token: String) { self.session?.value.say(.addToken(token)) }

    /// Takes a token back: its names go to nobody, unless another token has them, too. Deployed relays acknowledge it and do
    /// nothing.
    public mutating func deleteToken(_ token: String) { self.session?.value.say(.deleteToken(token)) }
}

// MARK: Commands

extension MProxy.DeviceMachine {
    public mutating func accept(_ stream: StreamID) { self.session?.value.common.accept(stream) }
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
