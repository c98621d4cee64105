// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// Peers that send anything: no trap, no unbounded work, one close at most, and no alarm that rings for ever.
@Suite("zhwkproX hostile peers")
struct HostileTests {
    /// Drives a machine to the end of its input; returns how many steps it took.
    static func play(_ machine: inout some SessionMachine, _ bytes: ByteBuffer, _ random: inout SeededRandom) -> Int {
        var (steps, closes, now) = (0, 0, NIODeadline.uptimeNanoseconds(2_000_000_000))
        func pull(_ machine: inout some SessionMachine) {
            while let action = machine.next(now: now, writable: true), steps < 100_000 {
                steps += 1
                switch action {
                case .open(let stream, _) where steps % 3 == 0: machine.reset(stream, .refused)
                case .open(let stream, _): machine.accept(stream)
                case .deliver(let stream, let bytes):
                    machine.send(bytes, on: stream)
                    if steps % 2 == 0 { machine.consumed(bytes.readableBytes, on: stream) }
                    if steps % 5 == 0 { machine.finish(stream) }
                    if steps % 11 == 0 { machine.reset(stream, nil) }
                case .close: closes += 1
                default: break
                }
            }
        }
        for chunk in Chunks.random(bytes, most: 700, using: &random) {
            machine.receive(chunk)
            pull(&machine)
            now = now + .milliseconds(Int64.random(in: 0...300, using: &random))
        }
        // Every alarm leads somewhere.
        for _ in 0..<20 {
            guard let deadline = machine.deadline else { break }
            now = max(now, deadline)
            pull(&machine)
            if let next = machine.deadline { #expect(next > now) }
        }
        machine.receiveEnd()
        pull(&machine)
        #expect(closes == 1)
        return steps
    }

    @Test func mutatedLogins() throws {
        var random = SeededRandom(31)
        let (asking, challenge) = try Harness<ZhwkproX.ExitMachine>.asking(.init())
        let suffix = ZhwkproX.Extension.suffix(random: [], to: challenge, key: .deployed)
        let proof = Harness<ZhwkproX.ExitMachine>.proof(challenge, suffix).array
        let hello = [0x80, 1, 0, 22] + ZhwkproX.Extension.challenge(random: Array(0..<14), key: .deployed) + [1]
        for round in 0..<3000 {
            var bytes = round % 2 == 0 ? proof : hello
            bytes += random.bytes(Int.random(in: 0...40, using: &random)).array
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if round % 2 == 0 {
                var exit = asking.machine
                #expect(Self.play(&exit, ByteBuffer(bytes: bytes), &random) < 60)
            } else {
                var inter = ZhwkproX.InterMachine(.init(), random: SeededRandom(1))
                inter.start(now: .uptimeNanoseconds(1_000_000_000))
                #expect(Self.play(&inter, ByteBuffer(bytes: bytes), &random) < 60)
            }
        }
    }

    static func message(_ random: inout SeededRandom) -> ByteBuffer {
        let endpoint = PairTests.endpoint(Int.random(in: 0..<5, using: &random))
        let count = Bool.random(using: &random) ? 0 : Int.random(in: 0...300, using: &random)
        var bytes = Bytes.get(endpoint, random.bytes(count).array)
        if Int.random(in: 0..<20, using: &random) == 0 {
            bytes.setInteger(UInt32.random(in: 0...(.max), using: &random), at: endpoint.headLength - 4)
        }
        return bytes
    }

    @Test func mutatedMessages() throws {
        var random = SeededRandom(32)
        let exit = try Harness<ZhwkproX.ExitMachine>.loggedIn()
        var inter = Harness<ZhwkproX.InterMachine>.loggedIn()
        for number in 0..<8 {
            _ = try inter.machine.open(Bytes.request(PairTests.endpoint(number % 4)), now: inter.now)
        }
        for round in 0..<3000 {
            var bytes = (0..<Int.random(in: 1...12, using: &random)).reduce(into: ByteBuffer()) { all, _ in
                all.writeImmutableBuffer(Self.message(&random))
            }
            if round % 4 == 0 {
                let index = Int.random(in: 0..<bytes.readableBytes, using: &random)
                bytes.setInteger(UInt8.random(in: 0...255, using: &random), at: index)
            }
            if round % 2 == 0 {
                var machine = exit.machine
                #expect(Self.play(&machine, bytes, &random) < 300)
            } else {
                var machine = inter.machine
                #expect(Self.play(&machine, bytes, &random) < 300)
            }
        }
    }

    static func extended(_ random: inout SeededRandom) -> ByteBuffer {
        let id = UInt32.random(in: 0...12, using: &random)
        let amount = UInt32.random(in: 0...(1 << Int.random(in: 0...31, using: &random)), using: &random)
        let fault = StreamFault(code: UInt8.random(in: 0...20, using: &random))
        switch Int.random(in: 0..<9, using: &random) {
        case 0, 1: return Bytes.extended([.open(id: id, PairTests.endpoint(Int(id)), window: amount)])
        case 2: return Bytes.extended([.opened(id: id, fault, window: amount)])
        case 3: return Bytes.extended([.credit(id: id, amount)])
        case 4: return Bytes.extended([.finish(id: id)])
        case 5: return Bytes.extended([.reset(id: id, fault)])
        case 6: return Bytes.extended([.ping(UInt64(amount)), .pong(UInt64(id))])
        default: return Bytes.data(id, random.bytes(Int(amount % 500)).array)
        }
    }

    @Test func mutatedMessagesOfTheExtension() throws {
        var random = SeededRandom(33)
        let exit = try Harness<ZhwkproX.ExitMachine>.extended()
        var inter = try Harness<ZhwkproX.InterMachine>.extended()
        for number in 0..<8 {
            _ = try inter.machine.open(Bytes.request(PairTests.endpoint(number)), now: inter.now)
        }
        for round in 0..<3000 {
            var bytes = (0..<Int.random(in: 1...12, using: &random)).reduce(into: ByteBuffer()) { all, _ in
                all.writeImmutableBuffer(Self.extended(&random))
            }
            if round % 4 == 0 {
                let index = Int.random(in: 0..<bytes.readableBytes, using: &random)
                bytes.setInteger(UInt8.random(in: 0...255, using: &random), at: index)
            }
            if round % 2 == 0 {
                var machine = exit.machine
                #expect(Self.play(&machine, bytes, &random) < 300)
            } else {
                var machine = inter.machine
                #expect(Self.play(&machine, bytes, &random) < 300)
            }
        }
    }

    @Test func anExitThatAsksAndNeverReadsIsNotReadFromForever() throws {
        var exit = try Harness<ZhwkproX.ExitMachine>.extended()
        exit.writable = false
        var pings = 0
        while exit.machine.wantsBytes, pings < 100_000 {
            #expect(exit.receive(.ping(1)) == [])
            pings += 1
        }
        #expect(pings < 8000)
        exit.writable = true
        _ = exit.drain()
        #expect(exit.machine.wantsBytes)
    }

    @Test func refusalsThatNobodyReadsAreBounded() throws {
        var exit = try Harness<ZhwkproX.ExitMachine>.loggedIn(
            .init(gap: .zero, usesExtension: false, limits: SessionLimits(streams: 0)))
        exit.writable = false
        var requests = 0
        while exit.machine.wantsBytes, requests < 100_000 {
            #expect(exit.receive(Bytes.get(Bytes.v6)) == [])
            requests += 1
        }
        #expect(requests < 4000)
    }
}
