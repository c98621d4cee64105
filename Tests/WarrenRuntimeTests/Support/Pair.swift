// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// A connection whose near end is a leg on a loop of Warren's and whose far end is the test.
struct Pair: Sendable {
    let leg: NIOLoopBound<SocketLeg>
    let loop: SocketLoop
    let peer: Peer
    /// Completes when the near end's descriptor is closed.
    let closed: EventLoopFuture<Void>

    /// The loops of all tests that need real ones.
    static let loops = Loops(threads: 2)

    /// - Parameter install: takes the near end, on its loop.
    static func make(
        sockets: SocketOptions = SocketOptions(), peerReads: Bool = true,
        install: @escaping @Sendable (SocketLeg, SocketLoop) -> Void = { _, _ in }
    ) async throws -> Pair {
        let loop = Self.loops.next()
        let loopback = PeerAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        let (descriptor, address) = try BoundPort.make(loopback, options: sockets)
        let accepted = loop.makePromise(of: NIOLoopBound<SocketLeg>.self)
        let closed = loop.makePromise(of: Void.self)
        let listening = try await loop.submit {
            let listening = ListeningSocket(descriptor, on: loop) { descriptor, peer in
                guard let socket = Socket(descriptor, on: loop) else { return }
                let leg = SocketLeg(socket, peer: peer, options: sockets) { closed.succeed() }
                install(leg, loop)
                accepted.succeed(NIOLoopBound(leg, eventLoop: loop))
            }
            listening.start()
            return NIOLoopBound(listening, eventLoop: loop)
        }.get()
        let peer = try await Peer.connect(to: address, reads: peerReads)
        let leg = try await accepted.futureResult.get()
        try await loop.submit { listening.value.stop() }.get()
        return Pair(leg: leg, loop: loop, peer: peer, closed: closed.futureResult)
    }

    /// Runs something on the loop of the near end.
    func onLoop<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await self.loop.submit(body).get()
    }
}
