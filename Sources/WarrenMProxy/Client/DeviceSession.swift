// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// A device's end of a tunnel: tokens that are to be served, and streams that visitors want.
struct DeviceSession {
    /// A command whose answer is due.
    struct Asked {
        var id: Int
        var isToken: Bool
        var deadline: NIODeadline
    }

    let configuration: MProxy.DeviceConfiguration
    var common: Multiplexer
    /// Which kind of relay it is; nil until it has said something.
    var dialect: MProxy.Dialect?
    /// What the relay lets others reach us by, as steps that are still to be said.
    var grants = CircularBuffer<Grant>()
    /// In the order of their deadlines.
    var asked = CircularBuffer<Asked>()
    /// Commands that wait for the hello, or for the next step.
    var unsaid = CircularBuffer<MProxy.Command>()
    var hasHello = false
    var isAccepted = false
    /// Why the last token was refused.
    var refusal: MProxy.Failure?
    /// A hello that is not acknowledged yet.
    private var helloID: Int?
    private var isReady = false
    private var lastID = 0
    private var helloDeadline: NIODeadline?
    /// The relay announces visitors: data of others is stray.
    private var isAnnouncing = false
    /// A visitor whose address was that of a live stream, which is reported ended first.
    private var pending: MProxy.Header?

    init(_ configuration: MProxy.DeviceConfiguration, now: NIODeadline) {
        self.configuration = configuration
        self.dialect = configuration.dialect
        self.common = Multiplexer(
            Multiplexer.Settings(
                side: .device, dialect: configuration.dialect ?? .node, linger: configuration.linger,
                stall: configuration.stall, limits: configuration.limits))
        switch configuration.dialect {
        case .node: self.helloDeadline = now + configuration.limits.handshake
        case nil: self.helloDeadline = now + configuration.helloWait
        case .go: break
        }
        for token in configuration.tokens { self.unsaid.append(.addToken(token)) }
    }

    var wantsTurn: Bool {
        mutating get { self.hasHello && !self.unsaid.isEmpty || self.common.wantsTurn }
    }

    var deadline: NIODeadline? {
        mutating get {
            let first = min(self.helloDeadline ?? .distantFuture, self.asked.first?.deadline ?? .distantFuture)
            let earliest = min(first, self.common.deadline ?? .distantFuture)
            return earliest == .distantFuture ? nil : earliest
        }
    }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        if let action = self.expire(now: now) { return action }
        repeat {
            if let action = self.announce() { return action }
            while let notice = self.common.notices.popFirst() {
                if let action = self.common.settle(notice) { return action }
            }
            if let action = self.common.expire(now: now) { return action }
            if let header = self.pending {
                self.pending = nil
                if let action = self.begin(header, isAnnounced: true) { return action }
            }
            while let event = try self.common.unpacker.next() {
                if let action = try self.handle(event, now: now) { return action }
            }
            self.sayCommands(now: now)
            if self.isRejected { return .close(.rejected(self.refusalText)) }
        } while !self.common.notices.isEmpty || (self.isReady ? !self.grants.isEmpty : self.isUp)
        return self.common.write(writable: writable).map { .write($0) }
    }

    // MARK: Time

    private mutating func expire(now: NIODeadline) -> SessionAction? {
        if let asked = self.asked.first, asked.deadline <= now { return .close(.timedOut(phase: "a command's answer")) }
        guard let helloDeadline, helloDeadline <= now else { return nil }
        guard self.dialect == nil else { return .close(.timedOut(phase: "hello")) }
        self.settle(.go, now: now)
        return nil
    }

    /// A relay of node's that has said anything else first still owes its hello.
    mutating func settle(_ dialect: MProxy.Dialect, now: NIODeadline) {
        guard self.dialect == nil else { return }
        self.dialect = dialect
        self.common.dialect = dialect
        self.helloDeadline = dialect == .go ? nil : now + self.configuration.limits.handshake
    }

    // MARK: Login

    /// A relay that takes tokens by control message has accepted one, or has none to take; one in Go had it with the upgrade.
    private var isUp: Bool {
        switch self.dialect {
        case .node: self.hasHello && (self.isAccepted || self.configuration.tokens.isEmpty)
        case .go: true
        case nil: false
        }
    }

    private mutating func announce() -> SessionAction? {
        if self.isUp, !self.isReady {
            self.isReady = true
            return .ready
        }
        guard self.isReady, let grant = self.grants.popFirst() else { return nil }
        return .granted(grant)
    }

    /// All tokens were refused.
    private var isRejected: Bool {
        self.refusal != nil && !self.isAccepted && self.unsaid.isEmpty && !self.asked.contains { $0.isToken }
    }

    var refusalText: String {
        guard let refusal else { return "" }
        let text = [refusal.message, refusal.code].filter { !$0.isEmpty }.joined(separator: ", ")
        return text.isEmpty ? "token refused" : String(text.prefix(128))
    }

    mutating func greeted(_ id: Int) {
        self.hasHello = true
        self.helloDeadline = nil
        self.helloID = id
    }

    /// Says what waits for it; the hello is acknowledged behind its tokens, as deployed devices do it.
    private mutating func sayCommands(now: NIODeadline) {
        guard self.hasHello else { return }
        while let command = self.unsaid.popFirst() {
            self.lastID += 1
            var asked = Asked(id: self.lastID, isToken: false, deadline: now + self.configuration.commandTimeout)
            if case .addToken = command { asked.isToken = true }
            self.asked.append(asked)
            self.common.say(.request(id: self.lastID, command))
        }
        guard let id = self.helloID else { return }
        self.helloID = nil
        self.common.say(.reply(to: id, nil))
    }

    // MARK: Streams

    private mutating func handle(
        _ event: MProxy.Unpacker.Event, now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        switch try self.common.take(event, now: now) {
        case .step(let action):
            return action
        case .nothing:
            return nil
        case .control(let body):
            self.handle(body, now: now)
            return self.announce()
        case .connection(let header):
            return self.connected(header)
        case .stray(let header, let bytes):
            return try self.stray(header, bytes, now: now)
        }
    }

    private mutating func connected(_ header: MProxy.Header) -> SessionAction? {
        self.settle(.node, now: self.common.now)
        self.isAnnouncing = true
        guard let row = self.common.table.row(header.source) else { return self.begin(header, isAnnounced: true) }
        guard self.common.table[row].isAnnounced else {
            self.common.table[row].isAnnounced = true
            return nil
        }
        // Another visitor has the address now: it must not get what the first one left.
        let (stream, phase) = (self.common.table[row].id, self.common.table[row].phase)
        self.common.remove(row)
        guard phase != .draining else { return self.begin(header, isAnnounced: true) }
        self.pending = header
        return .end(stream, .aborted)
    }

    /// Relays of before 2018-08 and those in Go do not announce visitors.
    private mutating func stray(
        _ header: MProxy.Header, _ bytes: ByteBuffer, now: NIODeadline
    ) throws(WireError) -> SessionAction? {
        self.settle(.go, now: now)
        guard !self.isAnnouncing, !self.common.isExtended, !self.common.resting.contains(header.source) else {
            self.common.complain(header)
            return nil
        }
        let action = self.begin(header, isAnnounced: false)
        if let row = self.common.table.row(header.source) { _ = try self.common.received(bytes, row, now: now) }
        return action
    }

    private mutating func begin(_ header: MProxy.Header, isAnnounced: Bool) -> SessionAction? {
        self.common.resting.remove(header.source)
        let name = HostName(header.name)?.text ?? ""
        let fault: StreamFault? =
            if self.common.table.count >= self.common.limits.streams {
                .limit
            } else {
                name.isEmpty && !header.name.isEmpty ? .unsupported : nil
            }
        if let fault {
            self.common.sayOver(header, fault)
            self.common.resting.insert(header.source, now: self.common.now)
            return nil
        }
        let row = self.common.insert(header, .connecting)
        self.common.openWindow(row)
        self.common.table[row].isAnnounced = isAnnounced
        let port = UInt16(header.servicePort) ?? 0
        var request = StreamRequest(.service(name: name, port: port), source: header.source.visitor)
        request.scheme = self.scheme(header.service, port: port)
        return .open(self.common.table[row].id, request)
    }

    /// Relays in Go say `http` for port 443 and `https` for port 80.
    private func scheme(_ service: String, port: UInt16) -> String? {
        guard self.dialect == .go else { return service.isEmpty ? nil : service }
        switch (service, port) {
        case ("", _): return nil
        case ("http", 443): return "https"
        case ("https", 80): return "http"
        case (_, _): return service
        }
    }
}
