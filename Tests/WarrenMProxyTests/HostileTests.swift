// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

/// Hundreds of thousands of frames that no peer would send. They end in one close at most, and nothing grows.
@Suite struct HostileTests {
    private static let frames = ModelRuns.count * 100

    @Test func relaySurvivesMutatedFrames() throws {
        try Self.attack(seed: 1, isRelay: true) { seed in
            var relay = Relay.up(.init(limits: SessionLimits(streams: 4)))
            if seed % 2 == 0 { _ = try relay.visit() }
            return relay
        }
    }

    @Test func deviceSurvivesMutatedFrames() throws {
        try Self.attack(seed: 2, isRelay: false) { seed in
            if seed % 3 == 0 { return Device.up(.init(dialect: .go)) }
            var device = Device.up(.init(tokens: ["a"], limits: SessionLimits(streams: 4)))
            if seed % 2 == 0 { _ = try device.visited() }
            return device
        }
    }

    @Test func relaySurvivesMutatedFramesOfADeviceWithWindows() throws {
        try Self.attack(seed: 3, isRelay: true) { seed in
            var relay = Relay.up(.init(usesExtension: true, limits: SessionLimits(streams: 4)))
            if seed % 2 == 0 { _ = try relay.visit() }
            return relay
        }
    }

    @Test func deviceSurvivesMutatedFramesOfARelayWithWindows() throws {
        try Self.attack(seed: 4, isRelay: false) { seed in
            var device = Device.up(.init(tokens: ["a"], usesExtension: true, limits: SessionLimits(streams: 4)))
            _ = device.control(#"[4,"windows",1]"#)
            if seed % 2 == 0 {
                let stream = device.receive("\(visitor),0,connection,443,foo.test,https").opened
                device.machine.accept(try #require(stream))
                _ = device.drain()
            }
            return device
        }
    }

    private static func attack<Machine: SessionMachine>(
        seed: UInt64, isRelay: Bool, _ make: (UInt64) throws -> Harness<Machine>
    ) throws {
        var random = SeededRandom(seed)
        var harness = try make(0)
        var closes = 0
        var sessions: UInt64 = 0
        var live = 0
        for _ in 0..<Self.frames {
            let bytes = Self.mutated(&random)
            for chunk in Bool.random(using: &random) ? [bytes] : Chunks.random(bytes, most: 300, using: &random) {
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
                    case .authenticate: harness.machine.judged(steps % 2 == 0 ? .denied : accepted(["n\(steps).test"]))
                    case .open(let id, _):
                        live += 1
                        if steps % 2 == 0 { harness.machine.accept(id) } else { harness.machine.reset(id, .refused) }
                    case .end: live -= 1
                    default: break
                    }
                }
            }
            harness.now = harness.now + .milliseconds(10)
            if closes > 1 {
                Issue.record("closes twice")
                return
            }
            guard closes == 1 else { continue }
            #expect(harness.machine.next(now: harness.now, writable: true) == nil)
            harness.machine.receive(bytes)
            #expect(harness.machine.next(now: harness.now, writable: true) == nil)
            closes = 0
            sessions += 1
            harness = try make(sessions)
        }
        #expect(sessions > 10)
    }

    private static let corpus: [ByteBuffer] = [
        frame("\(visitor),0,connection,443,foo.test,https"), frame("\(visitor),#,https,443,foo.test", "hello"),
        frame("\(visitor),0,end,443,foo.test"), frame("\(visitor),0,error,443,foo.test"),
        frame("\(visitor),#,error,443,foo.test", #"{"message":"x","code":"ECONNREFUSED"}"#),
        frame("\(visitor),#,pause,443,foo.test", "123"), frame("\(visitor),#,resume,443,foo.test", "123"),
        frame("IPv6,2001:db8::1,9,#,tcp,7350,", "payload"), frame("tun,127.0.0.1,54321,#,http,443,foo.test,\n", "x"),
        frame("tun,127.0.0.1,54321,0,end,0,,\n"), frame(",,,#,control", hello), frame(",,,#,control", "[-1,null]"),
        frame(",,,#,control", #"[5,"add_token","a.b.c"]"#), frame(",,,#,control", #"[6,"delete_token","*"]"#),
        frame(",,,#,control", #"[2,"grant",[["https","foo.test"],["tcp","t",[1,2]]]]"#),
        frame(",,,#,control", #"[9,"auth",{"subject":"a@b","otp":[1,{"x":"\u00e9\ud83d"}]}]"#),
        frame("\(visitor),#,credit,443,foo.test", "4096"), frame("\(visitor),#,credit,443,foo.test", "2147483648"),
        frame("\(visitor),0,finish,443,foo.test"), frame(",,,#,control", #"[4,"windows",1]"#),
        frame(",,,#,control", #"[4294967297,"ping"]"#), frame(",,,#,control", "[-4294967297,null]"),
        frame(",,,#,control", "[-4,null]"), frame(",,,#,control", "[0,{}]"), frame(",,,0,control"),
    ]

    /// A frame of the corpus, most of the time with a few bytes changed, lost, doubled or those of another.
    private static func mutated(_ random: inout SeededRandom) -> ByteBuffer {
        var bytes = (self.corpus.randomElement(using: &random) ?? ByteBuffer()).array
        for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(bytes[place], at: place)
            case 4:
                bytes.replaceSubrange(place..., with: (self.corpus.randomElement(using: &random) ?? ByteBuffer()).array)
            case 5: bytes[place] = UInt8(ascii: "9")
            // Whole frames with other texts: the lengths still fit.
            case 6 where place > 2:
                bytes[place] = Array("0123456789,.:abcIP[]{}\"\\null".utf8).randomElement(using: &random) ?? 0
            default: break
            }
        }
        return ByteBuffer(bytes: bytes)
    }
}
