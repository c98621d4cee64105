// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenWebSocks

/// Peers and drivers that do anything at any moment: no trap, nothing without bound, no word after the end.
@Suite("WebSocks hostile peers") struct HostileTests {
    private static func mutate(_ bytes: ByteBuffer, _ random: inout SeededRandom) -> ByteBuffer {
        var bytes = bytes.array
        for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes.remove(at: place)
            default: bytes.insert(.random(in: 0...255, using: &random), at: place)
            }
        }
        return ByteBuffer(bytes: bytes)
    }

    /// What a server says for anything, in any order.
    @Test func aServerTakesAnythingInAnyOrder() throws {
        let pieces = [
            try upgrade(), opening, frame, ByteBuffer(hex: "8a00"), ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"),
        ]
        var (opened, handedOver, closed) = (0, 0, 0)
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            var server = Server { $0.dialect = seed % 2 == 0 ? .deployed : .connectFirst }
            server.judges = seed % 5 != 0
            var isOver = false
            if seed % 3 != 0 { _ = server.receive(try upgrade()) }
            for step in 0..<30 {
                var actions: [SessionAction] = []
                switch Int.random(in: 0..<10, using: &random) {
                case 0...3:
                    let piece = pieces.randomElement(using: &random) ?? frame
                    let bytes = step % 2 == 0 ? piece : Self.mutate(piece, &random)
                    for chunk in Chunks.random(bytes, using: &random) { actions += server.receive(chunk) }
                case 4: server.machine.accept(stream)
                case 5: server.machine.send(random.bytes(.random(in: 0...40_000, using: &random)), on: stream)
                case 6: server.machine.reset(stream, StreamFault.allCases.randomElement(using: &random))
                case 7: actions += server.advance(.milliseconds(.random(in: 0...200, using: &random)))
                case 8: server.machine.judged(.denied)
                default: if step > 25 { server.machine.receiveEnd() }
                }
                actions += server.drain()
                #expect(!isOver || actions.isEmpty, "seed \(seed)")
                for action in actions {
                    switch action {
                    case .open: opened += 1
                    case .handOver:
                        handedOver += 1
                        isOver = true
                    case .close:
                        closed += 1
                        isOver = true
                    default: break
                    }
                }
            }
            #expect(server.machine.shell.input.readableBytes < 128 << 10)
            // Whatever it waits for, its alarms end.
            for _ in 0..<5 {
                guard let deadline = server.machine.deadline else { break }
                server.now = max(server.now, deadline)
                _ = server.drain()
                #expect(server.machine.deadline.map { $0 > server.now } ?? true, "seed \(seed)")
            }
        }
        let runs = ModelRuns.count
        #expect(
            opened > runs / 50 && handedOver > runs / 100 && closed > runs / 10, "\(opened) \(handedOver) \(closed)")
    }

    @Test func anAgentTakesAnythingInAnyOrder() throws {
        let pieces = [AgentTests.answer, frame, ByteBuffer(hex: "0500"), yes]
        var (handedOver, over) = (0, 0)
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            var machine = agent { $0.isStrict = seed % 2 == 0 }
            var now = AgentTests.start
            machine.start(now: now)
            var isOver = false
            var place = 0
            for _ in 0..<20 {
                switch Int.random(in: 0..<8, using: &random) {
                case 0...4:
                    let piece = pieces[place % pieces.count]
                    place += 1
                    let isGood = Int.random(in: 0..<6, using: &random) > 0
                    for chunk in Chunks.random(isGood ? piece : Self.mutate(piece, &random), using: &random) {
                        machine.receive(chunk)
                    }
                case 5: now = now + .seconds(.random(in: 0...4, using: &random))
                case 6: if place > 6 { machine.receiveEnd() }
                default: if place > 5 { machine.reset(stream, .aborted) }
                }
                for action in machine.drain(now) {
                    #expect(!isOver, "seed \(seed)")
                    switch action {
                    case .ready: _ = try? machine.open(target, now: now)
                    case .handOver:
                        handedOver += 1
                        isOver = true
                    case .end, .close:
                        over += 1
                        isOver = true
                    default: break
                    }
                }
            }
        }
        #expect(handedOver > ModelRuns.count / 20 && over > ModelRuns.count / 20, "\(handedOver) \(over)")
    }
}
