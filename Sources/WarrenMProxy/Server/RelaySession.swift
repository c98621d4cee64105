// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// A relay's end of a tunnel that is up: orders about tokens one after the other, and streams.
struct RelaySession {
    /// What the device wants done with a token. It hears nothing where there is no id: the token came with the upgrade.
    enum Order {
        case add(String, id: Int?)
        case delete(String, id: Int)
    }

    /// What follows from a token.
    enum Step {
        case serve(Destination)
        case withdraw(Destination)
        case ready
        /// Everything of it was served or withheld.
        case conclude(String, MProxy.Entitlement, id: Int?)
        case say(MProxy.Control)
    }

    /// Orders that may wait for the judge before nothing more is read.
    static let mostOrders = 16
    /// Tokens that may be denied before the session is.
    static let mostDenied = 16
    /// What the session's end is called when its last token has expired.
    static let lifetimePhase = "its token's lifetime"

    let configuration: MProxy.RelayConfiguration
    var common: Multiplexer
    var tokens = Tokens()
    /// Of the token that is being served: what the device does not get, and why.
    var withholdings: [Destination: Withholding] = [:]
    var orders = CircularBuffer<Order>()
    var steps = CircularBuffer<Step>()
    /// The token that the judge has, and what it said.
    var judged: (token: String, id: Int?, verdict: Verdict?)?
    var denied = 0
    /// A token's time was up.
    var hasExpired = false
    private var hasGreeted = false
    private var isReady = false
    /// The session is over when what waits is written.
    private var farewell: CloseReason?
    private var tokenDeadline: NIODeadline?
    /// Where to look for the next address that nobody has.
    private var nextPort: UInt16 = 1023

    init(_ configuration: MProxy.RelayConfiguration, now: NIODeadline) {
        self.configuration = configuration
        self.common = Multiplexer(
            Multiplexer.Settings(
                side: .relay, dialect: configuration.dialect, linger: configuration.linger, stall: configuration.stall,
                limits: configuration.limits))
        self.tokenDeadline = now + configuration.limits.handshake
        if let token = configuration.token { self.orders.append(.add(token, id: nil)) }
    }

    var wantsBytes: Bool { self.common.wantsBytes && self.orders.count < Self.mostOrders }

    var deadline: NIODeadline? {
        mutating get {
            let first = min(self.tokenDeadline ?? .distantFuture, self.tokens.deadline ?? .distantFuture)
            let earliest = min(first, self.common.deadline ?? .distantFuture)
            return earliest == .distantFuture ? nil : earliest
        }
    }

    mutating func next(now: NIODeadline, writable: Bool) throws(WireError) -> SessionAction? {
        if let farewell {
            return self.common.nextFrame().map { .write($0) } ?? .close(farewell)
        }
        if let tokenDeadline, tokenDeadline <= now { return .close(.timedOut(phase: "login")) }
        defer { self.watchForTokens(now: now) }
        self.expireTokens(now: now)
        if self.farewell != nil { return try self.next(now: now, writable: writable) }
        repeat {
            while let step = self.steps.popFirst() {
                if let action = self.perform(step) { return action }
            }
            if self.farewell != nil { return try self.next(now: now, writable: writable) }
            if let action = self.order(now: now) { return action }
            if !self.steps.isEmpty || self.farewell != nil { continue }
            self.greet()
            if let action = try self.nextOfStreams(now: now) { return action }
        } while !self.steps.isEmpty || self.farewell != nil || !self.common.notices.isEmpty || self.hasOrder
        return self.common.write(writable: writable).map { .write($0) }
    }

    /// Says the last words, then closes.
    mutating func close(_ reason: CloseReason) { self.farewell = self.farewell ?? reason }

    /// A session without a token has no use, unless visitors are left from one that was deleted.
    private mutating func watchForTokens(now: NIODeadline) {
        guard self.tokens.isEmpty, self.common.table.count == 0 else {
            self.tokenDeadline = nil
            return
        }
        self.tokenDeadline = self.tokenDeadline ?? now + self.configuration.limits.handshake
    }

    /// Behind the grant of a token that came with the upgrade, as deployed relays do it.
    private mutating func greet() {
        guard !self.hasGreeted, self.judged == nil else { return }
        self.hasGreeted = true
        self.common.say(.request(id: 1, .hello))
        self.welcome()
    }

    private mutating func perform(_ step: Step) -> SessionAction? {
        switch step {
        case .serve(let destination): return self.tokens.serves(destination) ? .serve(destination) : nil
        case .withdraw(let destination): return .withdraw(destination)
        case .ready:
            guard !self.isReady else { return nil }
            self.isReady = true
            return .ready
        case .conclude(let token, let entitlement, let id): self.conclude(token, entitlement, id: id)
        case .say(let control): self.common.say(control)
        }
        return nil
    }

    // MARK: Streams

    private mutating func nextOfStreams(now: NIODeadline) throws(WireError) -> SessionAction? {
        while let notice = self.common.notices.popFirst() {
            if let action = self.common.settle(notice) { return action }
        }
        if let action = self.common.expire(now: now) { return action }
        while self.orders.count < Self.mostOrders, let event = try self.common.unpacker.next() {
            switch try self.common.take(event, now: now) {
            case .step(let action): return action
            case .nothing: break
            case .stray(let header, _): self.common.complain(header)
            case .control(let body): self.handle(body)
            case .connection: throw WireError(.unexpected, in: "header.service", found: "connection from a device")
            }
        }
        return nil
    }

    mutating func open(_ request: StreamRequest) throws(StreamFault) -> StreamID {
        guard self.isReady, self.farewell == nil else { throw .sessionLost }
        guard case .service(let name, let port) = request.destination else { throw .unsupported }
        guard self.common.table.count < self.common.limits.streams else { throw .limit }
        guard let source = self.freeAddress(for: request.source) else { throw .limit }
        let service = request.scheme ?? (name.isEmpty ? "tcp" : "https")
        let header = MProxy.Header(
            .connection, source, service: service, servicePort: port == 0 ? "" : "\(port)", name: name)
        // What fits here fits into every other frame of the stream.
        guard MProxy.Header.Kind(service: service, isExtended: true) == .data,
            service.utf8.count <= MProxy.Header.mostService,
            (try? MProxy.Packer.packHeader(header)) != nil
        else { throw .unsupported }
        let row = self.common.insert(header, .open)
        self.common.say(.connection, header)
        self.common.openWindow(row)
        self.common.notices.append(.opened(self.common.table[row].id))
        return self.common.table[row].id
    }

    /// The visitor's own address, or the same with a port of our choice where another visitor has it, or may still have
    /// something under way.
    private mutating func freeAddress(for source: SocketAddress?) -> MProxy.Address? {
        let local = MProxy.Address(
            family: self.common.dialect == .go ? MProxy.Address.go : MProxy.Address.v4, address: "127.0.0.1", port: "0")
        var address = source.flatMap { MProxy.Address($0, self.common.dialect) } ?? local
        if address.port != "0", self.isFree(address) { return address }
        for _ in 0..<UInt16.max {
            self.nextPort = self.nextPort == .max ? 1024 : self.nextPort + 1
            address.port = String(self.nextPort)
            if self.isFree(address) { return address }
        }
        return nil
    }

    private func isFree(_ address: MProxy.Address) -> Bool {
        self.common.table.row(address) == nil && !self.common.resting.contains(address)
    }
}
