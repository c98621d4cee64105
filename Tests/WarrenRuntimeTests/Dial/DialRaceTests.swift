// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

private func dialer(_ resolver: any AddressResolver) -> Dialer { Dialer(resolver: resolver, policy: .everything) }

/// Addresses and answers that let others wait for them.
@Suite(.timeLimit(.minutes(1))) struct DialRaceTests {
    @Test("an address that answers nothing gives way to the next one")
    func racesPastASilentAddress() async throws {
        let server = try await TestServer.start()
        let silent = try await SilentServer.start(port: server.port)
        let resolver = ScriptedResolver(v4: [SilentServer.host, "127.0.0.1"], v6: [])
        let dialed = Dialed(dialer(resolver), .name("far"), port: server.port)
        #expect(try await dialed.reached() == server.address)
        try await server.stop()
        try await silent.stop()
    }

    @Test("an answer that comes while the first address is silent is tried at once, not after its time-out")
    func racesPastASilentAddressWithALateAnswer() async throws {
        let server = try await TestServer.start()
        // On a loop that never hears of a connection, every address is silent.
        let loop = SocketLoop.manual()
        let resolver = ScriptedResolver(v4: ["127.0.0.1"], v6: nil)
        let attempt = dialer(resolver).dial(.name("far"), port: server.port, for: .unknown, on: loop) { _ in
            Issue.record("it was answered")
        }
        loop.advance(by: .milliseconds(50))
        let first = try await server.next()
        // Later than both delays of the race, and far sooner than the time-out.
        loop.advance(by: .milliseconds(600))
        // The families stand for "first" and "late" only: the resolver may say what it likes.
        resolver.answer(.v6, ["127.0.0.1"])
        loop.runOnce()
        let second = try await server.next()
        attempt.cancel()
        for peer in [first, second] { #expect(try await peer.everything().bytes.readableBytes == 0) }
        try await server.stop()
    }

    @Test("a resolver's answer after its time is over does not keep the attempt from ending")
    func anAnswerAfterTheTimeOut() async throws {
        let server = try await TestServer.start()
        // On a loop that never hears of a connection.
        let loop = SocketLoop.manual()
        let resolver = ScriptedResolver(v4: ["127.0.0.1"], v6: nil)
        var faults: [StreamFault?] = []
        let attempt = dialer(resolver).dial(.name("far"), port: server.port, for: .unknown, on: loop) { result in
            if case .failure(let fault) = result { faults.append(fault) } else { faults.append(nil) }
        }
        // The other family has had its chance, and the connect begins.
        loop.advance(by: .milliseconds(50))
        loop.advance(by: .milliseconds(9950))
        resolver.answer(.v6, [])
        loop.runOnce()
        #expect(faults == [])
        loop.advance(by: .milliseconds(50))
        #expect(faults == [.timedOut])
        #expect(loop.timers.count == 0)
        attempt.cancel()
        try await server.stop()
    }
}
