// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import Synchronization
package import WarrenCore
package import WarrenLoop

/// Takes visitors of public names and ports to the devices that serve them, through sessions that the devices dial.
///
/// A session lives on the loop on which it came. A visitor with a plain connection moves there before its stream is opened; a
/// stream of any other crosses.
package final class PublicNamesOutbound: ArrivingOutbound, NodeComponent {

    package struct Plan: Sendable {
        package var duplicates: NameTable.Duplicates
        package var judge: any Authenticator
        /// Takes an accepted connection, on its loop: a session is to come of it, whose owner is ``PublicNamesOutbound/owner(of:)``.
        package var accept: @Sendable (any Leg, PublicNamesOutbound, SocketLoop) throws -> Void

        package init(
            duplicates: NameTable.Duplicates, judge: any Authenticator,
            accept: @escaping @Sendable (any Leg, PublicNamesOutbound, SocketLoop) throws -> Void
        ) {
            self.duplicates = duplicates
            self.judge = judge
            self.accept = accept
        }
    }

    package let name: String
    package var home: SocketLoop? { nil }
    package let table: NameTable
    private let plan: Plan
    private let loops: Loops
    private let unit: UnitTag?
    private let reporter: Reporter
    private let isStopped = Atomic(false)
    private let formers = Forerunners<PublicNamesOutbound>()
    private let awaited = AwaitedDevice.Line()
    /// The ports that devices may have, by who opens them.
    private let offered = Mutex<[ObjectIdentifier: Offer]>([:])

    /// Ports that somebody opens for whoever gets them.
    private struct Offer: Sendable {
        let ports: [ClosedRange<UInt16>]
        /// Why one cannot be opened now; nil where it can, or is open.
        let obstacle: @Sendable (UInt16) -> (any Error)?

        func has(_ port: UInt16) -> Bool { self.ports.contains { $0.contains(port) } }
    }

    package init(_ plan: Plan, name: String, loops: Loops, unit: UnitTag? = nil, reporter: Reporter) {
        self.plan = plan
        self.name = name
        self.loops = loops
        self.unit = unit
        self.reporter = reporter
        self.table = NameTable(plan.duplicates)
        self.watchNames(of: self.table)
    }

    private func watchNames(of table: NameTable) {
        table.watchNames(self.awaited) { [awaited] name in awaited.wake(for: name) }
    }

    package func follow(_ former: any NodeComponent) {
        guard let former = former as? PublicNamesOutbound else { return }
        self.formers.add(former, former.formers)
        for one in self.formers.all { self.watchNames(of: one.table) }
        self.table.expect(self.formerTables.flatMap(\.names))
    }

    package func start() -> EventLoopFuture<Void> { self.loops.next().makeSucceededVoidFuture() }

    package func tunnels() -> EventLoopFuture<[TunnelStatus]>? {
        let (isEmpty, since) = self.table.condition
        let state = self.isOver ? "stopped" : isEmpty ? "waiting" : "up"
        let status = TunnelStatus(role: "outbound", name: self.name, state: state, since: since)
        return self.loops.next().makeSucceededFuture([status])
    }

    package func retire() {}

    package func stop() {
        self.isStopped.store(true, ordering: .relaxed)
        for table in [self.table] + self.formers.all.map(\.table) { table.unwatchNames(self.awaited) }
        self.awaited.wake()
    }

    private var isOver: Bool { self.isStopped.load(ordering: .relaxed) }

    /// Who owns the session of a device.
    ///
    /// - Parameter instance: which of its processes it is, where it may have several lanes.
    package func owner(of instance: String?) -> any SessionOwner { DeviceOwner(outbound: self, instance: instance) }

    /// Takes a connection that a device has made.
    package func arrive(_ leg: any Leg, on loop: SocketLoop) throws {
        guard !self.isOver else { return leg.discard() }
        try self.plan.accept(leg, self, loop)
    }
}

// MARK: - Visitors

extension PublicNamesOutbound {
    package func home(of request: StreamRequest, from loop: SocketLoop) -> SocketLoop? {
        let found = self.table.find(request.destination, from: loop, takesTurn: false, before: self.formerTables)
        guard case .device(let holder) = found else { return nil }
        return holder.loop
    }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        guard case .service = request.destination else { return self.refuse(.unsupported, answer) }
        switch self.table.find(request.destination, from: loop, before: self.formerTables) {
        case .unknown: return self.refuse(.unknownHost, answer)
        case .offline(let since): return self.wait(since, request, on: loop, answer)
        case .device(let holder): return self.open(request, at: holder, from: loop, answer)
        }
    }

    private func open(
        _ request: StreamRequest, at holder: NameTable.Holder, from loop: SocketLoop,
        _ answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        guard holder.loop !== loop else { return holder.session.open(request, answer: answer) }
        return Crossing.open(from: loop, to: holder.loop, answer: answer) { answer in
            holder.session.open(request, answer: answer)
        }
    }

    private func wait(
        _ since: NIODeadline, _ request: StreamRequest, on loop: SocketLoop,
        _ answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let attempt = AwaitedDevice(as: request.destination.names, in: self.awaited, since: since, on: loop) { isLast in
            let found = self.table.find(request.destination, from: loop, before: self.formerTables)
            guard !self.isOver, case .device(let holder) = found else {
                return isLast || self.isOver ? self.refuse(.unreachable, answer) : nil
            }
            return self.open(request, at: holder, from: loop, answer)
        }
        return attempt ?? self.refuse(.unreachable, answer)
    }

    /// What devices still serve that came before a reload, where their tokens would be good today.
    private var formerTables: [NameTable] {
        self.formers.all.filter { !$0.isOver && self.plan.judge.admits(nil, letInBy: $0.plan.judge) }.map(\.table)
    }

    private func refuse(
        _ fault: StreamFault, _ answer: (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        answer(.failure(self.isOver ? .shutdown : fault))
        return NoAttempt()
    }
}

extension Destination {
    /// By each of which somebody may serve it.
    fileprivate var names: [String] {
        guard case .service(let name, _) = self else { return [] }
        return NameTable.candidates(for: name)
    }
}

// MARK: - Ports

extension PublicNamesOutbound {
    /// From now on devices may have these ports.
    ///
    /// - Parameter obstacle: why a port cannot be opened now; nil where it can, or is open. Asked on any loop.
    func offerPorts(
        _ ports: [ClosedRange<UInt16>], by opener: AnyObject,
        unless obstacle: @escaping @Sendable (UInt16) -> (any Error)?
    ) {
        let (id, offer) = (ObjectIdentifier(opener), Offer(ports: ports, obstacle: obstacle))
        self.offered.withLock { $0[id] = offer }
    }

    /// What it has offered may be nobody's any more. Devices that have it keep it.
    func endOffer(by opener: AnyObject) {
        let id = ObjectIdentifier(opener)
        self.offered.withLock { $0[id] = nil }
    }

    /// Whether somebody would open the port.
    func offersPort(_ port: UInt16) -> Bool {
        self.offered.withLock { $0.values.contains { $0.has(port) } }
    }

    /// Why none of those who would open the port can; nil where one can, and where nobody would.
    private func obstacle(to port: UInt16) -> (any Error)? {
        let offers = self.offered.withLock { $0.values.filter { $0.has(port) } }
        var first: (any Error)?
        for offer in offers {
            guard let error = offer.obstacle(port) else { return nil }
            first = first ?? error
        }
        return first
    }

    func servesPort(_ port: UInt16) -> Bool { ([self.table] + self.formerTables).contains { $0.servesPort(port) } }

    /// As ``NameTable/watchPorts(_:_:)``.
    func watchPorts(_ watcher: AnyObject, _ tell: @escaping @Sendable (UInt16) -> Void) {
        for table in [self.table] + self.formerTables { table.watchPorts(watcher, tell) }
    }

    func unwatchPorts(_ watcher: AnyObject) {
        for table in [self.table] + self.formers.all.map(\.table) { table.unwatchPorts(watcher) }
    }
}

// MARK: - Devices

/// Owns one session of a device.
private struct DeviceOwner: OutboundSessionOwner {
    let outbound: PublicNamesOutbound
    let instance: String?

    var judge: any Authenticator { self.outbound.judge }
    var label: SessionLabel? { self.outbound.label }

    func sessionBegan(_ session: any Session) {}
    func sessionReady(_ session: any Session) { self.outbound.ready(session) }
    func sessionServes(_ session: any Session, _ destination: Destination) -> Withholding? {
        self.outbound.serves(session, self.instance, destination)
    }
    func sessionWithdraws(_ session: any Session, _ destination: Destination) {
        self.outbound.table.withdraw(destination, by: session)
    }
    func sessionEnded(_ session: any Session, _ reason: CloseReason) { self.outbound.ended(session, reason) }
    func loginDenied(_ session: any Session, _ claim: Claim) { self.outbound.denied(session) }
}

extension PublicNamesOutbound {
    fileprivate var judge: any Authenticator { self.plan.judge }
    fileprivate var label: SessionLabel { SessionLabel(role: "outbound", name: self.name, unit: self.unit) }

    fileprivate func ready(_ session: any Session) {
        self.reporter.emit(.tunnelUp(.outbound(self.name), peer: self.peer(session)))
    }

    fileprivate func serves(_ session: any Session, _ instance: String?, _ destination: Destination) -> Withholding? {
        if case .service("", let port) = destination, let reason = self.withholding(port, from: session) {
            return reason
        }
        let holder = NameTable.Holder(
            session: session, loop: session.loop, device: session.user ?? "", instance: instance)
        let isServed = self.table.serve(destination, by: holder)
        if !isServed {
            let sentence = "\(destination) is another device's, and \(self.peer(session)) does not get it"
            self.reporter.emit(.warn("\(self.name): \(sentence)"))
        }
        return isServed ? nil : .taken
    }

    /// A port that cannot be opened is nobody's: its device would be told of an address that leads elsewhere.
    private func withholding(_ port: UInt16, from session: any Session) -> Withholding? {
        let peer = self.peer(session)
        guard self.offersPort(port) else {
            let sentence = "\(peer) may have port \(port), which no ports: names; it is not opened"
            self.reporter.emit(.warn("\(self.name): \(sentence)"))
            return .notOffered
        }
        guard let obstacle = self.obstacle(to: port) else { return nil }
        let reason = StartFailure.reason(notListening: obstacle)
        self.reporter.emit(.warn("\(self.name): \(peer) may have port \(port), which cannot be opened: \(reason)"))
        return .taken
    }

    fileprivate func ended(_ session: any Session, _ reason: CloseReason) {
        self.table.leave(session)
        guard session.isReady else {
            return self.reporter.emit(.stranger(inbound: self.name, peer: session.peer, saying: "\(reason)"))
        }
        guard !self.isOver else { return }
        self.reporter.emit(.deviceLost(outbound: self.name, peer: self.peer(session), reason: "\(reason)"))
    }

    fileprivate func denied(_ session: any Session) {
        self.reporter.emit(
            .loginDenied(inbound: self.name, protocol: "mproxy", peer: session.peer, claim: Claim(identity: [])))
    }

    private func peer(_ session: any Session) -> String {
        [session.user, session.peer?.text].compactMap { $0 }.joined(separator: " at ")
    }
}
