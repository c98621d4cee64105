// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// Hundreds of thousands of frames that no peer would send. They end in one close at most, and nothing grows.
@Suite struct HostileTests {
    private static let frames = ModelRuns.count * 100

    @Test("a server survives mutated frames", arguments: [true, false])
    func serverSurvives(isExtended: Bool) {
        Self.attack(seed: 1) { _ in
            var server = Server.up(.init(usesExtension: isExtended, limits: Self.limits))
            if isExtended { _ = server.receive(ping(1, extra: VProxy.Extension.announcement)) }
            return server
        }
    }

    @Test("a client survives mutated frames", arguments: [true, false])
    func clientSurvives(isExtended: Bool) {
        Self.attack(seed: 2) { _ in
            var client = Client(VProxy.ClientMachine(.init(usesExtension: isExtended, limits: Self.limits)))
            _ = client.drain()
            _ = client.receive(settings)
            if isExtended { _ = client.receive(ping(1, flags: 1, extra: VProxy.Extension.announcement)) }
            for _ in 0..<3 {
                if let id = try? client.machine.open(fixed, now: client.now) {
                    client.machine.send(ByteBuffer(string: "request"), on: id)
                }
            }
            _ = client.drain()
            return client
        }
    }

    private static var limits: SessionLimits {
        var limits = SessionLimits(streams: 4)
        limits.budget = 1 << 20
        return limits
    }

    private static func attack<Machine: SessionMachine>(seed: UInt64, _ make: (UInt64) -> Harness<Machine>) {
        var random = SeededRandom(seed)
        var harness = make(0)
        var (closes, sessions) = (0, UInt64(0))
        var (unread, fed, written) = (0, 0, 0)
        for _ in 0..<Self.frames {
            let bytes = Self.mutated(&random)
            for chunk in Bool.random(using: &random) ? [bytes] : Chunks.random(bytes, most: 300, using: &random) {
                fed += chunk.readableBytes
                harness.machine.receive(chunk)
                var steps = 0
                while let action = harness.machine.next(now: harness.now, writable: steps % 3 != 1) {
                    steps += 1
                    if steps > 10_000 {
                        Issue.record("never silent")
                        return
                    }
                    switch action {
                    case .close: closes += 1
                    case .write(let bytes): written += bytes.readableBytes
                    case .open(let id, _):
                        if steps % 2 == 0 { harness.machine.accept(id) } else { harness.machine.reset(id, .refused) }
                    case .deliver(let id, let bytes):
                        unread += bytes.readableBytes
                        if steps % 4 != 0 {
                            harness.machine.consumed(bytes.readableBytes, on: id)
                            unread -= bytes.readableBytes
                        }
                        if steps % 8 == 0 { harness.machine.send(bytes, on: id) }
                    case .finish(let id): harness.machine.finish(id)
                    default: break
                    }
                }
            }
            harness.now = harness.now + .milliseconds(10)
            if closes > 1 || written > 1 << 20 && written > 64 * fed {
                Issue.record("closes \(closes) times, writes \(written) for \(fed)")
                return
            }
            guard closes == 1 else { continue }
            #expect(harness.machine.next(now: harness.now, writable: true) == nil)
            harness.machine.receive(bytes)
            #expect(harness.machine.next(now: harness.now, writable: true) == nil && harness.machine.deadline == nil)
            (closes, unread) = (0, 0)
            sessions += 1
            harness = make(sessions)
        }
        #expect(sessions > 10)
    }

    private static let packed = Gzip.compress(ByteBuffer(repeating: 65, count: 3000)) ?? ByteBuffer()

    private static let corpus: [ByteBuffer] = [
        syn(1), syn(3), syn(8), head(.headers, 1, flags: 2), head(.headers, 5, flags: 2), rst(1), rst(3), fin(1), fin(3),
        fin(5), psh(1, "hello"), psh(3, "there"), psh(5, "and there"), psh(1, "last", flags: 1),
        head(.data, 1, flags: 4, length: packed.readableBytes) + packed,
        head(.data, 3, flags: 5, length: packed.readableBytes) + packed, ping(1), ping(1, flags: 1), ping(2, flags: 1),
        ping(7, extra: VProxy.Extension.announcement), head(.data, 1),
        head(.ping, 1, flags: 2, length: 5) + ByteBuffer(hex: "0100001000"),
        head(.ping, 3, flags: 2, length: 2) + ByteBuffer(hex: "0200"),
        head(.ping, 1, flags: 2, length: 2) + ByteBuffer(hex: "0203"), shutdown("bye"), ByteBuffer(hex: settings),
    ]

    /// A frame of the corpus, most of the time with a few bytes changed, lost, doubled or those of another.
    private static func mutated(_ random: inout SeededRandom) -> ByteBuffer {
        var bytes = (self.corpus.randomElement(using: &random) ?? ByteBuffer()).array
        guard Int.random(in: 0..<4, using: &random) == 0 else { return ByteBuffer(bytes: bytes) }
        for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(bytes[place], at: place)
            case 4: if bytes.count > 8 { bytes[8] ^= 1 << UInt8.random(in: 0..<4, using: &random) }
            default: if bytes.count > 4 { bytes[4] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
            }
        }
        return ByteBuffer(bytes: bytes)
    }
}
