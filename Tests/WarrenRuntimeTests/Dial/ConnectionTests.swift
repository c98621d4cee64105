// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

private let loopback = IPAddress(v4: 0x7F00_0001)

/// One connect on a loop, and what came of it.
private struct Attempt: Sendable {
    let answer: EventLoopFuture<NIOLoopBound<SocketLeg>>
    let loop: SocketLoop

    init(
        to address: PeerAddress, from local: IPAddress? = nil, timeout: TimeAmount = .seconds(20)
    ) {
        let loop = Pair.loops.next()
        let promise = loop.makePromise(of: NIOLoopBound<SocketLeg>.self)
        self.loop = loop
        self.answer = promise.futureResult
        loop.execute {
            do throws(StreamFault) {
                _ = try Connection(to: address, from: local, options: .init(), timeout: timeout, on: loop) {
                    result in
                    promise.completeWith(result.map { NIOLoopBound($0, eventLoop: loop) }.mapError { $0 })
                }
            } catch {
                promise.fail(error)
            }
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    @Test func reachesAServerFromTheAddressItWasGiven() async throws {
        let server = try await TestServer.start()
        let far = PeerAddress(loopback, port: server.port)
        let attempt = Attempt(to: far, from: IPAddress(v4: 0x7F00_0009))
        let leg = try await attempt.answer.get()
        let peer = try await server.next()
        #expect(peer.channel.remoteAddress?.ipAddress == "127.0.0.9")
        #expect(try await attempt.loop.submit { leg.value.peerAddress }.get() == far)
        try await attempt.loop.submit {
            leg.value.write(ByteBuffer(string: "hello"))
            leg.value.end(nil)
        }.get()
        #expect(String(buffer: try await peer.everything().bytes) == "hello")
        peer.close()
        try await server.stop()
    }

    @Test func saysWhenItIsRefused() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let attempt = Attempt(to: PeerAddress(loopback, port: closed.number))
        await #expect(throws: StreamFault.refused) { try await attempt.answer.get() }
    }

    @Test func saysWhenItMayNotConnectFromThere() async throws {
        let attempt = Attempt(to: PeerAddress(loopback, port: 1), from: IPAddress(v4: 0xC000_0201))
        await #expect(throws: StreamFault.unreachable) { try await attempt.answer.get() }
    }

    @Test("a server with a full backlog that answers nothing is waited for no longer than was said")
    func timesOut() async throws {
        let silent = try await SilentServer.start()
        let address = try #require(PeerAddress(silent.address))
        let attempt = Attempt(to: address, timeout: .milliseconds(50))
        await #expect(throws: StreamFault.timedOut) { try await attempt.answer.get() }
        try await silent.stop()
    }

    /// On a loop that does not hear of the connection.
    private func unheard(
        _ server: TestServer, on loop: SocketLoop, answer: @escaping (Result<SocketLeg, StreamFault>) -> Void
    ) throws -> Connection {
        let address = PeerAddress(loopback, port: server.port)
        return try Connection(to: address, from: nil, options: .init(), timeout: .seconds(10), on: loop) {
            answer($0)
        }
    }

    @Test func theTimeOutClosesTheSocketAndIsSaidOnce() async throws {
        let server = try await TestServer.start()
        let loop = SocketLoop.manual()
        var faults: [StreamFault?] = []
        let connection = try self.unheard(server, on: loop) { result in
            if case .failure(let fault) = result { faults.append(fault) } else { faults.append(nil) }
        }
        let peer = try await server.next()
        loop.advance(by: .seconds(10) - .nanoseconds(1))
        #expect(faults == [])
        loop.advance(by: .nanoseconds(1))
        #expect(faults == [.timedOut])
        #expect(try await peer.everything().bytes.readableBytes == 0)
        connection.cancel()
        loop.advance(by: .hours(1))
        #expect(faults == [.timedOut])
        peer.close()
        try await server.stop()
    }

    @Test func aCancelledConnectSaysNothingAndClosesItsSocket() async throws {
        let server = try await TestServer.start()
        let loop = SocketLoop.manual()
        let connection = try self.unheard(server, on: loop) { _ in Issue.record("it answered") }
        let peer = try await server.next()
        connection.cancel()
        #expect(loop.timers.count == 0)
        loop.advance(by: .hours(1))
        #expect(try await peer.everything().bytes.readableBytes == 0)
        connection.cancel()
        peer.close()
        try await server.stop()
    }
}
