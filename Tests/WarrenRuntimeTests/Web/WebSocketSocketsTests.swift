// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

@Suite(.timeLimit(.minutes(1))) struct WebSocketSocketsTests {
    private func listen(_ layers: [any AcceptLayer] = []) async throws -> Listener {
        let plan = Listener.Plan(name: "relay", protocol: "test", host: "127.0.0.1", port: 0, layers: layers) {
            leg, loop in
            let service = RecordingService()
            service.onLeg = { leg in
                leg.events = Echo()
                leg.begin()
            }
            try service.install(on: leg, loop: loop)
        }
        return try await Listener.bind(
            plan, on: Pair.loops, gate: ConnectionLimiter(limit: 100, reporter: LogRecorder().reporter))
    }

    private func dial(
        _ listener: Listener, path: String, _ outer: [any DialLayer], _ pieces: [ByteBuffer]
    ) async throws -> (ByteBuffer, StreamFault?) {
        let port = UInt16(listener.bound.address.port ?? 0)
        let dialer = Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: .everything)
        let carrier = CarrierDialer(
            dialer: dialer, host: Host("127.0.0.1"), port: port,
            layers: outer + [WebSocketClient(host: "127.0.0.1:\(port)", path: path)])
        return try await self.talk(carrier, pieces)
    }

    private func talk(
        _ carrier: CarrierDialer, _ pieces: [ByteBuffer], finishes: Bool = true
    ) async throws -> (ByteBuffer, StreamFault?) {
        let loop = Pair.loops.next()
        let done = loop.makePromise(of: (ByteBuffer, StreamFault?).self)
        loop.execute {
            _ = carrier.dial(on: loop) { result in
                switch result {
                case .failure(let failure): done.fail(failure)
                case .success(let leg):
                    let talker = Talker(pieces, done, finishes: finishes)
                    leg.events = talker
                    leg.begin()
                    talker.talk(leg)
                    // The leg does not keep who listens.
                    done.futureResult.assumeIsolated().whenComplete { _ in withExtendedLifetime(talker) {} }
                }
            }
        }
        return try await done.futureResult.get()
    }

    @Test("8 MiB in pieces of any size come back, and both ends part in order") func echo() async throws {
        var random = SeededRandom(8)
        let bytes = random.bytes(8 << 20)
        let listener = try await self.listen()
        let pieces = Chunks.random(bytes, most: 200_000, using: &random)
        let (back, fault) = try await self.dial(listener, path: "/tunnel", [], pieces)
        #expect(back == bytes)
        #expect(fault == nil)
        await listener.close()
    }

    @Test func theSameBehindTLS() async throws {
        var random = SeededRandom(9)
        let bytes = random.bytes(400_000)
        let listener = try await self.listen([try TestCertificate.layer()])
        let tls = TLSClient(context: try TestCertificate.client(), serverName: nil)
        let pieces = Chunks.random(bytes, most: 50_000, using: &random)
        let (back, fault) = try await self.dial(listener, path: "/tunnel", [tls], pieces)
        #expect(back == bytes)
        #expect(fault == nil)
        await listener.close()
    }

    /// The same leg below TLS, without a WebSocket: the service answers and closes.
    @Test func anOrdinaryRequestIsAnsweredBehindTLS() async throws {
        let listener = try await self.listen([try TestCertificate.layer()])
        let port = UInt16(listener.bound.address.port ?? 0)
        let dialer = Dialer(resolver: ScriptedResolver(v4: [], v6: []), policy: .everything)
        let tls = TLSClient(context: try TestCertificate.client(), serverName: nil)
        let carrier = CarrierDialer(dialer: dialer, host: Host("127.0.0.1"), port: port, layers: [tls])
        let request = ByteBuffer(string: "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n")
        let (back, fault) = try await self.talk(carrier, [request], finishes: false)
        #expect(String(buffer: back).hasPrefix("HTTP/1.1 200 OK\r\n") && String(buffer: back).hasSuffix("hello"))
        #expect(fault == nil)
        await listener.close()
    }

    @Test func aRefusalReachesTheDialer() async throws {
        let listener = try await self.listen()
        let failure = await #expect(throws: CarrierFailure.self) {
            try await self.dial(listener, path: "/other", [], [])
        }
        #expect(failure?.description == "the relay answered 403")
        await listener.close()
    }

    @Test func aDialerWithTLSOnAPlainPortSaysSo() async throws {
        let listener = try await self.listen()
        let tls = TLSClient(context: try TestCertificate.client(), serverName: nil)
        let failure = await #expect(throws: CarrierFailure.self) {
            try await self.dial(listener, path: "/tunnel", [tls], [])
        }
        #expect(failure?.description == "TLS: the peer does not speak TLS")
        await listener.close()
    }

    @Test func aDetectorHandsOverAnUpgradeWithItsFirstFrames() async throws {
        let pair = try await Pair.make { leg, loop in
            let recorder = RecordingService()
            recorder.onLeg = { leg in
                leg.events = Echo()
                leg.begin()
            }
            let candidate = Detector.Candidate { head in
                head.count < 4 ? .needs(bytes: 4) : head.starts(with: "GET ".utf8) ? .yes : .no
            } install: { leg in
                try recorder.install(on: leg, loop: loop)
            }
            Detector(leg, [candidate]) { _ in }.start(timeout: .minutes(2), on: loop)
        }
        var bytes = ByteBuffer(string: Handshake.request())
        bytes.writeImmutableBuffer(RawFrame(RawFrame.binary, "hello").masked)
        bytes.writeImmutableBuffer(RawFrame(RawFrame.close).masked)
        try await pair.peer.send(bytes)
        let (back, end) = try await pair.peer.everything()
        #expect(end == .finished)
        let head = try #require(back.readableBytesView.firstRange(of: Array("\r\n\r\n".utf8)))
        var frames = back
        frames.moveReaderIndex(to: head.upperBound)
        #expect(
            RawFrame.all(in: frames)
                == [RawFrame(RawFrame.binary, "hello"), RawFrame(RawFrame.close, ByteBuffer(bytes: [0x03, 0xE8]))])
        pair.peer.close()
        try await pair.closed.get()
    }
}
