// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOPosix
import Synchronization
import WarrenCore

/// A listener's name in the configuration, and where it listens: the port is never 0.
package struct BoundListener: Hashable, Sendable {
    package let name: String
    package let address: SocketAddress
}

/// A bound TCP port that hands every connection to a pipeline of handlers.
package struct Listener: Sendable {
    package let plan: Plan
    package let channel: any Channel

    package var bound: BoundListener? {
        self.channel.localAddress.map { BoundListener(name: self.plan.name, address: $0) }
    }

    /// What a listener needs to be bound.
    package struct Plan: Sendable {
        package var name: String
        package var `protocol`: String
        /// All interfaces, one address, or a name of this machine.
        package var host: String?
        package var port: UInt16
        package var tls: TLSServer?
        /// How long a TLS handshake may take.
        package var handshake: TimeAmount
        package var sockets: SocketOptions
        /// Where connections live: nil spreads them over all loops.
        package var home: (any EventLoop)?
        /// Puts the handlers on an accepted connection, on its loop.
        package var install: @Sendable (any Channel) throws -> Void

        package init(
            name: String, protocol: String, host: String?, port: UInt16, tls: TLSServer? = nil,
            handshake: TimeAmount = .seconds(10),
            sockets: SocketOptions = SocketOptions(), home: (any EventLoop)? = nil,
            install: @escaping @Sendable (any Channel) throws -> Void
        ) {
            self.name = name
            self.protocol = `protocol`
            self.host = host
            self.port = port
            self.tls = tls
            self.handshake = handshake
            self.sockets = sockets
            self.home = home
            self.install = install
        }
    }

    package static func bind(_ plan: Plan, on loops: Loops, gate: Gate) async throws -> Listener {
        let children: any EventLoopGroup = plan.home.map { $0 as any EventLoopGroup } ?? loops.group
        let bootstrap = ServerBootstrap(group: loops.group, childGroup: children)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // Out of descriptors: pause instead of spinning.
                    try channel.pipeline.syncOperations.addHandler(AcceptBackoffHandler())
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try gate.admit(channel, to: plan) }
            }
        let channel: any Channel
        if let host = plan.host {
            channel = try await bootstrap.bind(host: host, port: Int(plan.port)).get()
        } else {
            channel = try await Self.bindAll(bootstrap, port: Int(plan.port))
        }
        return Listener(plan: plan, channel: channel)
    }

    /// Both families on one socket; IPv4 alone where the machine has no IPv6.
    private static func bindAll(_ bootstrap: ServerBootstrap, port: Int) async throws -> any Channel {
        do {
            return try await bootstrap.bind(host: "::", port: port).get()
        } catch let error as IOError where error.errnoCode == EAFNOSUPPORT || error.errnoCode == EADDRNOTAVAIL {
            return try await bootstrap.bind(host: "0.0.0.0", port: port).get()
        }
    }
}

/// Counts accepted connections over all listeners and turns away those past the limit.
package final class Gate: Sendable {
    private let admitted = Atomic<Int>(0)
    private let lastNews = Atomic<UInt64>(0)
    private let limit: Int
    private let reporter: Reporter

    package init(limit: Int, reporter: Reporter) {
        self.limit = limit
        self.reporter = reporter
    }

    struct Full: Error {}

    /// True at most once a minute, so that a flood does not become one of the log too.
    private func isNews() -> Bool {
        let now = NIODeadline.now().uptimeNanoseconds
        let last = self.lastNews.load(ordering: .relaxed)
        guard last == 0 || now > last + 60_000_000_000 else { return false }
        return self.lastNews.compareExchange(expected: last, desired: now, ordering: .relaxed).exchanged
    }

    func admit(_ channel: any Channel, to plan: Listener.Plan) throws {
        let count = self.admitted.add(1, ordering: .relaxed).newValue
        channel.closeFuture.whenComplete { _ in self.admitted.subtract(1, ordering: .relaxed) }
        guard count <= self.limit else {
            let isNews = self.isNews()
            self.reporter.turnedAway(inbound: plan.name, peer: channel.remoteAddress, limit: self.limit, isNews: isNews)
            throw Full()
        }
        try plan.sockets.apply(to: channel)
        guard let tls = plan.tls else { return try plan.install(channel) }
        let peer = channel.remoteAddress
        let gate = TLSGate(patience: plan.handshake, install: plan.install) { [reporter] reason in
            reporter.stranger(inbound: plan.name, peer: peer, saying: reason)
        }
        try channel.pipeline.syncOperations.addHandlers([tls.makeHandler(), gate])
    }
}
