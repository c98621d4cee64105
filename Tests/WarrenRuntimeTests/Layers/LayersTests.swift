// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

/// Layers in any order, accepted and dialled: the same bytes come out at the other end.
@Suite(.timeLimit(.minutes(1))) struct LayersTests {
    private static let echo: Listener.Install = { leg, _ in
        leg.events = Echo()
        leg.begin()
    }

    /// A WebSocket at any path becomes an echo.
    private static let service: Listener.Install = { leg, loop in
        let service = RecordingService()
        service.onLeg = { leg in
            leg.events = Echo()
            leg.begin()
        }
        try service.install(on: leg, loop: loop)
    }

    private static func tls(_ name: String) throws -> TLSClient {
        TLSClient(context: try TestCertificate.client(), serverName: name)
    }

    private static func listen(_ layers: [any AcceptLayer], then install: @escaping Listener.Install) async throws
        -> Listener
    {
        let plan = Listener.Plan(
            name: "one", protocol: "test", host: "127.0.0.1", port: 0, layers: layers, install: install)
        let limiter = ConnectionLimiter(limit: 100, reporter: LogRecorder().reporter)
        return try await Listener.bind(plan, on: Pair.loops, gate: limiter)
    }

    /// Says `bytes` through the layers and hears what comes back until the other end has ended.
    private static func talk(_ listener: Listener, _ layers: [any DialLayer], _ pieces: [ByteBuffer]) async throws
        -> ByteBuffer
    {
        let dialer = Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: .everything)
        let port = UInt16(listener.bound.address.port ?? 0)
        let carrier = CarrierDialer(dialer: dialer, host: Host("127.0.0.1"), port: port, layers: layers)
        let loop = Pair.loops.next()
        let done = loop.makePromise(of: (ByteBuffer, StreamFault?).self)
        loop.execute {
            _ = carrier.dial(on: loop) { result in
                switch result {
                case .failure(let failure): done.fail(failure)
                case .success(let leg):
                    let talker = Talker(pieces, done)
                    leg.events = talker
                    leg.begin()
                    talker.talk(leg)
                    done.futureResult.assumeIsolated().whenComplete { _ in withExtendedLifetime(talker) {} }
                }
            }
        }
        return try await done.futureResult.get().0
    }

    private static func path(_ path: String) -> any DialLayer { WebSocketClient(host: "a.example", path: path) }

    private static func starts(_ word: String) -> @Sendable (ByteBufferView) -> Detection {
        { head in
            if head.count < word.utf8.count { return .needs(bytes: word.utf8.count) }
            return head.starts(with: word.utf8) ? .yes : .no
        }
    }

    /// One port looks at the ClientHello, passes one name on untouched and ends TLS for the others, then looks at the path.
    @Test func onePortServesManyNamesAndPaths() async throws {
        let hello: @Sendable (ByteBufferView, String) -> Detection = { head, name in
            switch ClientHello.read(head) {
            case .no: .no
            case .needs(let bytes): .needs(bytes: bytes)
            case .whole(let hello): hello.serverName == name ? .yes : .no
            }
        }
        let inner = [try TestCertificate.layer()]
        let peek = PeekLayer(
            [
                // As a device would, to which the connection was passed on: it ends TLS itself.
                PeekLayer.Branch(layers: inner, detect: { hello($0, "device.example") }, install: Self.echo),
                PeekLayer.Branch(detect: { hello($0, "relay.example") }),
            ], timeout: .seconds(10), stranger: "no name of ours")
        let paths = PeekLayer(
            [
                PeekLayer.Branch(detect: Self.starts("GET /tunnel "), install: Self.service),
                PeekLayer.Branch(detect: Self.starts("hello")),
            ], timeout: .seconds(10), stranger: "neither a path nor hello")
        let listener = try await Self.listen([peek, try TestCertificate.layer(), paths], then: Self.echo)
        var random = SeededRandom(6)
        let bytes = random.bytes(1 << 20)
        let pieces = Chunks.random(bytes, most: 100_000, using: &random)
        #expect(try await Self.talk(listener, [try Self.tls("device.example")], pieces) == bytes)
        #expect(try await Self.talk(listener, [try Self.tls("relay.example"), Self.path("/tunnel")], pieces) == bytes)
        let word = ByteBuffer(string: "hello, relay")
        #expect(try await Self.talk(listener, [try Self.tls("relay.example")], [word]) == word)
        await #expect(throws: CarrierFailure.self) {
            try await Self.talk(listener, [try Self.tls("relay.example"), Self.path("/other")], [])
        }
        await listener.close()
    }

    @Test func whatNoBranchKnowsGoesOnWhereThatIsWanted() async throws {
        let peek = PeekLayer(
            [PeekLayer.Branch(detect: Self.starts("GET /tunnel "), install: Self.service)], passesOthers: true,
            timeout: .seconds(10), stranger: "nothing of ours")
        let listener = try await Self.listen([peek], then: Self.echo)
        let word = ByteBuffer(string: "hello, whoever follows")
        #expect(try await Self.talk(listener, [], [word]) == word)
        #expect(try await Self.talk(listener, [Self.path("/tunnel")], [word]) == word)
        await listener.close()
    }

    @Test("TLS in a WebSocket in TLS, a WebSocket in a WebSocket, TLS in TLS", arguments: 0..<3)
    func anyOrder(order: Int) async throws {
        let service = ServiceLayer()
        let secure = try TestCertificate.layer()
        let tls = try Self.tls("a.example")
        let accept: [any AcceptLayer] = [[secure, service, secure], [service, service], [secure, secure]][order]
        let dial: [any DialLayer] = [
            [tls, Self.path("/tunnel"), tls], [Self.path("/tunnel"), Self.path("/tunnel")], [tls, tls],
        ][order]
        let listener = try await Self.listen(accept, then: Self.echo)
        var random = SeededRandom(UInt64(order))
        let bytes = random.bytes(300_000)
        #expect(try await Self.talk(listener, dial, Chunks.random(bytes, most: 50_000, using: &random)) == bytes)
        await listener.close()
    }
}

/// WebSockets as a layer.
private struct ServiceLayer: AcceptLayer {
    func accept(_ leg: any Leg, at port: AcceptPort, then next: @escaping Listener.Install) throws {
        let service = RecordingService()
        service.onLeg = { leg in try? next(leg, port.loop) }
        try service.install(on: leg, loop: port.loop)
    }
}
