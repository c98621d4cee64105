// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// Frames that no peer would send, by tens of thousands. They end in one close at most, and nothing grows.
@Suite struct HostileTests {
    private static let frames = ModelRuns.count * 20

    @Test("a server survives mutated frames", arguments: [true, false])
    func serverSurvives(isExtended: Bool) {
        Self.attack(seed: 1, isExtended: isExtended) {
            var server = Server.up(.init(usesExtension: isExtended, limits: Self.limits))
            if isExtended { _ = server.receive(ping(1, extra: VProxy.Extension.announcement)) }
            return server
        }
    }

    @Test("a client survives mutated frames", arguments: [true, false])
    func clientSurvives(isExtended: Bool) {
        Self.attack(seed: 2, isExtended: isExtended) {
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
            // Two are answered; the first frames of the peer are about all three.
            _ = client.receive(head(.headers, 1, flags: 2) + head(.headers, 3, flags: 2))
            return client
        }
    }

    private static var limits: SessionLimits {
        var limits = SessionLimits(streams: 4)
        limits.budget = 64 << 10
        limits.queuedPerStream = 16 << 10
        limits.unreadPerStream = 16 << 10
        limits.unreadWhenCrowded = 16 << 10
        limits.unreadPerSession = 64 << 10
        return limits
    }

    private static func attack<Machine: SessionMachine>(
        seed: UInt64, isExtended: Bool, _ make: () -> Harness<Machine>
    ) {
        var random = SeededRandom(seed)
        var (sessions, fed) = (UInt64(0), 0)
        var most = Assailant<Machine>.Most()
        while fed < Self.frames {
            var assailant = Assailant(make(), Self.limits, isExtended: isExtended)
            sessions += 1
            // Every other peer is a patient one, and fills what can be filled.
            let isPatient = sessions % 2 == 0
            // A length that was changed swallows what follows: so no session is long.
            for _ in 0..<500 where !assailant.isClosed && assailant.complaint == nil {
                fed += 1
                let isBad = !isPatient || Int.random(in: 0..<100, using: &random) == 0
                assailant.feed(isBad ? Self.mutated(&random) : Self.filling(&random), &random)
            }
            assailant.end()
            most.add(assailant.most)
            if let complaint = assailant.complaint {
                Issue.record("session \(sessions): \(complaint)")
                return
            }
        }
        #expect(sessions >= Self.frames / 500)
        // It came to what is bounded.
        #expect(most.unread > Self.limits.budget / 4 && most.queued > 8 << 10, "\(most)")
    }

    @Test("a peer that never reads is left alone", arguments: [true, false])
    func answersAreBounded(isPing: Bool) {
        var server = Server.up()
        server.writable = false
        let frames = isPing ? ping(1) + ping(2, flags: 1) : syn(7) + rst(7)
        var fed = 0
        while server.machine.wantsBytes, fed < 10 << 20 {
            fed += frames.readableBytes
            _ = server.receive(frames)
        }
        #expect(fed < 200 << 10)
        #expect(server.machine.next(now: server.now, writable: false) == nil)
        server.writable = true
        #expect(server.drain().written.readableBytes <= 64 << 10 + 100)
        #expect(server.machine.wantsBytes)
    }

    private static let packed = Gzip.compress(ByteBuffer(repeating: 65, count: 3000)) ?? ByteBuffer()

    private static let corpus: [ByteBuffer] = [
        syn(1), syn(3), syn(8), head(.headers, 1, flags: 2), head(.headers, 5, flags: 2), rst(1), rst(3), fin(1),
        fin(3),
        fin(5), psh(1, "hello"), psh(3, "there"), psh(5, "and there"), psh(1, "last", flags: 1),
        head(.data, 1, flags: 4, length: packed.readableBytes) + packed,
        head(.data, 3, flags: 5, length: packed.readableBytes) + packed, ping(1), ping(1, flags: 1), ping(2, flags: 1),
        ping(7, extra: VProxy.Extension.announcement), head(.data, 1),
        head(.ping, 1, flags: 2, length: 5) + ByteBuffer(hex: "0100001000"),
        head(.ping, 3, flags: 2, length: 2) + ByteBuffer(hex: "0200"),
        head(.ping, 1, flags: 2, length: 2) + ByteBuffer(hex: "0203"), shutdown("bye"), ByteBuffer(hex: settings),
    ]

    /// A SYN, or payload, some of it compressed.
    private static func filling(_ random: inout SeededRandom) -> ByteBuffer {
        let id: UInt32 = [1, 3].randomElement(using: &random) ?? 1
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return head(.headers, id, flags: 2)
        case 1: return head(.data, id, flags: 4, length: self.packed.readableBytes) + self.packed
        default: return head(.data, id, length: 900) + ByteBuffer(repeating: 1, count: 900)
        }
    }

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
