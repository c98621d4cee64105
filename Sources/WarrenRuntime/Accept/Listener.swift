// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
package import NIOCore
import NIOPosix
import Synchronization
import WarrenCore
package import WarrenKCP
package import WarrenLoop
package import WarrenSecureDatagrams

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A listener's name in the configuration, and where it listens: the port is never 0.
package struct BoundListener: Hashable, Sendable {
    package let name: String
    package let address: SocketAddress
}

/// A bound port that hands every connection to its inbound as a leg.
package final class Listener: Sendable {
    private let current: CurrentPlan
    private let address: SocketAddress
    private let ports: [(loop: SocketLoop, port: NIOLoopBound<any OpenPort>)]
    /// What becomes of a UDP port that is closed.
    private let drain: UDPDrain

    /// Takes over an accepted connection, on its loop.
    package typealias Install = @Sendable (any Leg, SocketLoop) throws -> Void

    /// What a listener needs to be bound.
    package struct Plan: Sendable {
        package var name: String
        package var `protocol`: String
        /// All interfaces, one address, or a name of this machine.
        package var host: String?
        package var port: UInt16
        /// What stands between a connection and who takes it, the first of them outermost.
        package var layers: [any AcceptLayer]
        package var sockets: SocketOptions
        /// What speaks KCP over UDP; nil for TCP.
        package var kcp: KCP.Configuration?
        /// What every datagram is sealed with; only with `kcp`.
        package var key: SecureDatagrams.ListenerKey?
        /// Where connections live: nil spreads them over all loops.
        package var home: SocketLoop?
        /// Told the address, whose port is never 0, before any connection is accepted.
        package var onBound: @Sendable (SocketAddress) -> Void = { _ in }
        package var install: Install
        /// Tells one that there are too many, in the words of its protocol; nil where it is reset.
        package var refuse: Install?

        package init(
            name: String, protocol: String, host: String?, port: UInt16, layers: [any AcceptLayer] = [],
            sockets: SocketOptions = SocketOptions(), home: SocketLoop? = nil,
            install: @escaping Install
        ) {
            self.name = name
            self.protocol = `protocol`
            self.host = host
            self.port = port
            self.layers = layers
            self.sockets = sockets
            self.home = home
            self.install = install
        }
    }

    /// The plan by which connections are taken, which a reload may exchange.
    private final class CurrentPlan: Sendable {
        private final class Box: Sendable {
            let plan: Plan
            init(_ plan: Plan) { self.plan = plan }
        }

        private let box: Mutex<Box>
        init(_ plan: Plan) { self.box = Mutex(Box(plan)) }
        var value: Plan { self.box.withLock { $0 }.plan }
        func exchange(_ plan: Plan) { self.box.withLock { $0 = Box(plan) } }
    }

    private init(
        _ current: CurrentPlan, _ address: SocketAddress,
        _ ports: [(loop: SocketLoop, port: NIOLoopBound<any OpenPort>)], _ drain: UDPDrain
    ) {
        self.current = current
        self.address = address
        self.ports = ports
        self.drain = drain
    }

    package var plan: Plan { self.current.value }
    package var bound: BoundListener { BoundListener(name: self.plan.name, address: self.address) }

    /// Whether another plan is for the same port.
    package func fits(_ plan: Plan) -> Bool {
        let own = self.plan
        return own.host == plan.host && own.port == plan.port && (own.kcp == nil) == (plan.kcp == nil)
    }

    /// From now on connections are taken by another plan: the port stays open all the time.
    package func exchange(_ plan: Plan) {
        plan.onBound(self.address)
        self.current.exchange(plan)
        self.drain.reopen()
        for (loop, port) in self.ports where plan.kcp != nil { loop.execute { port.value.exchanged() } }
    }

    package static func bind(_ plan: Plan, on all: Loops, gate: ConnectionLimiter) async throws -> Listener {
        let loops = plan.home.map { [$0] } ?? all.all
        let lock = await Self.lock(plan.port)
        defer { if lock >= 0 { _ = systemClose(lock) } }
        let descriptors = try Self.bind(plan, times: loops.count)
        guard let first = descriptors.first, let address = ListeningSocket.localAddress(of: first)?.socketAddress else {
            for descriptor in descriptors { _ = systemClose(descriptor) }
            throw ChannelError.unknownLocalAddress
        }
        plan.onBound(address)
        let current = CurrentPlan(plan)
        // A plan that comes later may want its connections elsewhere.
        let spread = loops.count == all.all.count ? nil : all
        var ports: [(loop: SocketLoop, port: NIOLoopBound<any OpenPort>)] = []
        let (siblings, drain) = (SecureSiblings(count: descriptors.count), UDPDrain())
        for (number, (loop, descriptor)) in zip(loops, descriptors).enumerated() {
            let started = loop.submit {
                let port = try Self.open(descriptor, current, number, of: siblings, drain, on: loop, spread, gate)
                port.start()
                return NIOLoopBound(port, eventLoop: loop)
            }
            ports.append((loop, try await started.get()))
        }
        return Listener(current, address, ports, drain)
    }

    private static func open(
        _ descriptor: CInt, _ current: CurrentPlan, _ number: Int, of siblings: SecureSiblings, _ drain: UDPDrain,
        on loop: SocketLoop, _ spread: Loops?, _ gate: ConnectionLimiter
    ) throws -> any OpenPort {
        guard current.value.kcp != nil else {
            return ListeningSocket(
                descriptor, on: loop,
                onConnection: { Self.accept($0, from: $1, to: current.value, at: loop, spread, gate) },
                onShortage: { gate.starve() }
            )
        }
        guard let socket = DatagramSocket(descriptor, on: loop, options: .kcp) else {
            throw ChannelError.unknownLocalAddress
        }
        let plan = { current.value }
        return UDPDoor(socket, drain: drain, plan: plan) { socket, now in
            guard let key = now.key else { return KCPPort(socket, on: loop, limiter: gate, plan: plan) }
            return SecureKCPPort(
                socket, key: key, number: number, of: siblings, on: loop, limiter: gate, plan: plan)
        }
    }

    /// Takes a connection to where its plan wants it.
    ///
    /// - Parameter spread: all loops, where the listener is not on every one.
    private static func accept(
        _ descriptor: CInt, from peer: PeerAddress, to plan: Plan, at loop: SocketLoop, _ spread: Loops?,
        _ gate: ConnectionLimiter
    ) {
        let target = plan.home ?? spread?.next() ?? loop
        guard target !== loop else { return gate.admit(descriptor, from: peer, to: plan, on: loop) }
        target.execute { gate.admit(descriptor, from: peer, to: plan, on: target) }
    }

    /// No more connections; those that were accepted stay. The sockets of a UDP port stay with them: see ``isDraining``.
    package func close() async {
        self.drain.begin()
        for (loop, port) in self.ports {
            try? await loop.submit { port.value.stop() }.get()
        }
        guard self.drain.isClosed else { return }
        for (loop, port) in self.ports { try? await loop.submit { port.value.close() }.get() }
    }

    /// It is closed for who comes, and its port is not free, as conversations go on there.
    package var isDraining: Bool { self.drain.isDraining }

    /// Tells, once, that it drains no more; not where the port is taken over before.
    func whenDrained(_ tell: @escaping @Sendable () -> Void) { self.drain.whenClosed(tell) }

    /// Keeps the port of one that drains until ``exchange(_:)`` or ``letGo()``.
    ///
    /// - Returns: false if it drains no more. Then the port is free.
    package func keep() async -> Bool {
        if self.drain.keep() { return true }
        await self.close()
        return false
    }

    package func letGo() { self.drain.letGo() }

    /// Sockets that share a port would also share it with those of a second process that starts at the same moment and
    /// finds it free. So only one at a time may look and bind; nobody waits for long, as a stranger could hold the lock.
    private static func lock(_ port: UInt16) async -> CInt {
        for _ in 0..<50 where port > 0 {
            let lock = cws_lock_port(port)
            if lock >= 0 { return lock }
            guard errno == EADDRINUSE, (try? await Task.sleep(for: .milliseconds(20))) != nil else { break }
        }
        return -1
    }

    /// Why a TCP port cannot be had now, as far as that is known at once: of a host by name it is not, nor of a port that somebody
    /// looks at, or binds, at the same moment.
    static func obstacle(to plan: Plan) -> (any Error)? {
        if let host = plan.host, IPAddress(host) == nil { return nil }
        let lock = cws_lock_port(plan.port)
        guard lock >= 0 || errno != EADDRINUSE else { return nil }
        defer { if lock >= 0 { _ = systemClose(lock) } }
        do {
            for descriptor in try Self.bind(plan, times: 1) { ListeningSocket.giveBack(descriptor) }
            return nil
        } catch {
            return error
        }
    }

    private static func bind(_ plan: Plan, times: Int) throws -> [CInt] {
        guard let host = plan.host else { return try Self.bindAll(plan, times) }
        let resolved = try SocketAddress.makeAddressResolvingHost(host, port: Int(plan.port))
        guard let address = PeerAddress(resolved) else { throw ChannelError.unknownLocalAddress }
        return try Self.bind(plan, to: address, times)
    }

    /// Both families on one socket; IPv4 alone where the machine has no IPv6.
    private static func bindAll(_ plan: Plan, _ times: Int) throws -> [CInt] {
        do {
            return try Self.bind(plan, to: PeerAddress(IPAddress(high: 0, low: 0), port: plan.port), times)
        } catch let error as IOError where error.errnoCode == EAFNOSUPPORT || error.errnoCode == EADDRNOTAVAIL {
            return try Self.bind(plan, to: PeerAddress(IPAddress(v4: 0), port: plan.port), times)
        }
    }

    private static func bind(_ plan: Plan, to address: PeerAddress, _ times: Int) throws -> [CInt] {
        guard plan.kcp != nil else {
            return try ListeningSocket.bind(to: address, times: times, options: plan.sockets)
        }
        return try DatagramSocket.bind(to: address, times: times, options: .kcp)
    }
}
