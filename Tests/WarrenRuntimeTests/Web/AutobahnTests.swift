// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOHTTP1
import NIOWebSocket
import Testing
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// The two ends that the Autobahn testsuite talks to, for as long as it does; scripts/autobahn.sh starts both sides.
@Suite struct AutobahnTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static func port(_ role: String) -> UInt16? {
        self.environment["WARREN_AUTOBAHN_\(role)"].flatMap { UInt16($0) }
    }

    @Test("echoes until somebody asks for /stop", .enabled(if: Self.port("SERVER") != nil)) func server() async throws {
        let port = try #require(Self.port("SERVER"))
        let stop = Pair.loops.next().makePromise(of: Void.self)
        let plan = Listener.Plan(
            name: "autobahn", protocol: "test", host: "127.0.0.1", port: port
        ) { leg, loop in
            try EchoService(stop).install(on: leg, loop: loop)
        }
        let listener = try await Listener.bind(
            plan, on: Pair.loops, gate: ConnectionLimiter(limit: 100, reporter: LogRecorder().reporter))
        try await stop.futureResult.get()
        await listener.close()
    }

    @Test("goes through all cases of a server", .enabled(if: Self.port("CLIENT") != nil)) func client() async throws {
        let port = try #require(Self.port("CLIENT"))
        let count = try #require(Int(try await self.talk(to: port, "/getCaseCount", answers: false)))
        for number in 1...count { _ = try await self.talk(to: port, "/runCase?case=\(number)&agent=warren") }
        _ = try await self.talk(to: port, "/updateReports?agent=warren", answers: false)
    }

    /// What was received and not sent back.
    private func talk(to port: UInt16, _ path: String, answers: Bool = true) async throws -> String {
        let carrier = CarrierDialer(
            dialer: Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: .everything), host: Host("127.0.0.1"),
            port: port, layers: [WebSocketClient(host: "127.0.0.1:\(port)", path: path)])
        let loop = Pair.loops.next()
        let done = loop.makePromise(of: String.self)
        loop.execute {
            _ = carrier.dial(on: loop) { result in
                let echo = MessageEcho(answers: answers) { done.succeed(String(buffer: $0)) }
                do { try MessageBorders.install(on: result.get(), echo) } catch { done.fail(error) }
                // The leg does not keep who listens.
                done.futureResult.assumeIsolated().whenComplete { _ in withExtendedLifetime(echo) {} }
            }
        }
        return try await done.futureResult.get()
    }
}

private final class EchoService: HTTPService {
    private let stop: EventLoopPromise<Void>

    init(_ stop: EventLoopPromise<Void>) { self.stop = stop }

    func answer(_ request: HTTPServiceRequest) -> HTTPServiceAnswer {
        if request.uri == "/stop" { self.stop.succeed() }
        return HTTPServiceAnswer(.noContent)
    }

    func mayUpgrade(_ request: HTTPServiceRequest) -> UpgradeVerdict<Void> { .granted(()) }

    func upgraded(_ leg: any Leg, _ request: HTTPServiceRequest, token: Void, on loop: SocketLoop) {
        do { try MessageBorders.install(on: leg, MessageEcho()) } catch { leg.end(.aborted) }
    }

    func abandoned(_ token: Void) {}
}

@available(*, unavailable)
extension EchoService: Sendable {}
