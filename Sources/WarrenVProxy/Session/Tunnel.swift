// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// A tunnel from its first byte to its last: what both machines are.
struct Tunnel {
    private enum Phase {
        case starting
        case handshake
        case active
        /// The last words are written.
        case leaving(CloseReason)
        case closed
    }

    private let side: VProxy.Side
    private let settings: VProxy.Configuration
    private let lastID: UInt32?
    private var phase = Phase.starting
    private var handshakeDeadline: NIODeadline?
    private var reader: FrameReader
    private var hasEnded = false
    private var isToLeave = false
    /// Set once the handshake is through; boxed, as machines are copied to be asked.
    var streams: Boxed<Multiplexer>?

    init(_ side: VProxy.Side, _ settings: VProxy.Configuration, lastID: UInt32? = nil) {
        self.side = side
        self.settings = settings
        self.lastID = lastID
        self.reader = FrameReader(settings.dialect, mostInflated: settings.mostInflated)
    }

    var deadline: NIODeadline? {
        switch self.phase {
        case .starting, .handshake: self.handshakeDeadline
        case .active: self.streams?.ask { $0.deadline }
        case .leaving, .closed: nil
        }
    }

    var wantsTurn: Bool { self.isToLeave || self.streams?.ask { $0.wantsTurn } ?? false }
    var wantsBytes: Bool { self.streams?.value.wantsBytes ?? true }
    var hearsAcknowledgements: Bool { self.settings.acknowledges }
    var mayEndInOrder: Bool { self.streams?.value.mayEndInOrder ?? true }

    mutating func start(now: NIODeadline) { self.handshakeDeadline = now + self.settings.limits.handshake }

    mutating func receive(_ bytes: ByteBuffer) {
        switch self.phase {
        case .starting, .handshake: self.reader.receive(bytes)
        case .active: self.streams?.value.receive(bytes)
        case .leaving, .closed: break
        }
    }

    mutating func receiveEnd() { self.hasEnded = true }
    mutating func shutDown() -> Bool {
        self.isToLeave = true
        return true
    }

    mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        do throws(WireError) {
            switch self.phase {
            case .starting:
                if self.isToLeave { return self.close(.shutdown) }
                self.phase = .handshake
                if self.side == .client { return .write(ByteBuffer(bytes: VProxy.Frame.handshake)) }
                return try self.shakeHandsOrSpeak(now: now, writable: writable)
            case .handshake:
                return try self.shakeHandsOrSpeak(now: now, writable: writable)
            case .active:
                return try self.speak(now: now, writable: writable)
            case .leaving(let reason):
                return self.close(reason)
            case .closed:
                return nil
            }
        } catch {
            return self.leave(.violation(error), saying: Farewell.text(for: error))
        }
    }

    private mutating func shakeHandsOrSpeak(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        if let action = try self.shakeHands(now: now) { return action }
        return try self.speak(now: now, writable: writable)
    }

    /// A step of a tunnel that is up.
    private mutating func speak(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        guard case .active = self.phase else { return nil }
        if self.isToLeave { return self.leave(.shutdown, saying: Farewell.shutdown) }
        let action = try self.streams?.value.next(now: now, writable: writable)
        guard case .close(let reason)? = action else { return action ?? self.closeIfEnded() }
        guard let farewell = self.streams?.value.farewell else { return self.close(reason) }
        return self.leave(reason, saying: farewell)
    }

    private mutating func shakeHands(now: NIODeadline) throws(WireError) -> SessionAction? {
        if self.isToLeave { return self.close(.shutdown) }
        if let handshakeDeadline, handshakeDeadline <= now {
            let reason = CloseReason.timedOut(phase: "handshake")
            // A server says nothing to who may be no vproxy at all.
            return self.side == .client ? self.leave(reason, saying: Farewell.handshake) : self.close(reason)
        }
        switch try self.reader.next() {
        case nil:
            return self.hasEnded ? self.close(.carrierLost("the peer left in the handshake")) : nil
        case .shutdown(let reason)?:
            return self.close(.rejected(Farewell.shown(reason)))
        case _?:
            self.phase = .active
            self.streams = Boxed(
                Multiplexer(
                    self.side, self.settings, reader: self.reader, written: UInt64(VProxy.Frame.handshake.count),
                    lastID: self.lastID, now: now))
            self.reader = FrameReader(self.settings.dialect, mostInflated: 0)
            // Alone in its write: deployed clients leave what follows it until more comes.
            if self.side == .server { return .write(ByteBuffer(bytes: VProxy.Frame.handshake)) }
            return nil
        }
    }

    private mutating func closeIfEnded() -> SessionAction? {
        guard self.hasEnded, let streams, !streams.value.isReadingHeld else { return nil }
        return self.close(
            streams.value.reader.isInsideFrame ? .violation(WireError(.truncated, in: "frame")) : .finished)
    }

    private mutating func leave(_ reason: CloseReason, saying text: String) -> SessionAction {
        self.phase = .leaving(reason)
        self.streams = nil
        var bytes = ByteBuffer()
        bytes.writeVProxyShutdown(text, self.settings.dialect)
        return .write(bytes)
    }

    private mutating func close(_ reason: CloseReason) -> SessionAction {
        self.phase = .closed
        self.streams = nil
        self.reader = FrameReader(self.settings.dialect, mostInflated: 0)
        return .close(reason)
    }
}
