// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

/// A port on which every connection is told which loop has it.
private struct Rig: Sendable {
    let loops: Loops
    let listener: Listener

    static func make(threads: Int) async throws -> Rig {
        let loops = Loops(threads: threads)
        let plan = Listener.Plan(name: "front", protocol: "test", host: "127.0.0.1", port: 0) { leg, loop in
            let number = loops.all.firstIndex { $0 === loop } ?? -1
            leg.write(ByteBuffer(string: "\(number)"))
            leg.end(nil)
        }
        let gate = ConnectionLimiter(limit: 1000, reporter: LogRecorder().reporter)
        return Rig(loops: loops, listener: try await Listener.bind(plan, on: loops, gate: gate))
    }

    /// The loops that took so many connections, all at once: one after the other would take long beside other tests.
    func connect(_ count: Int) async throws -> Set<String> {
        let address = self.listener.bound.address
        return try await withThrowingTaskGroup(of: String.self) { tasks in
            for _ in 0..<count {
                tasks.addTask {
                    let peer = try await Peer.connect(to: address)
                    defer { peer.close() }
                    return String(buffer: try await peer.everything().bytes)
                }
            }
            return try await tasks.reduce(into: []) { $0.insert($1) }
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ListeningSocketTests {
    @Test("every loop accepts on the port that they share")
    func loopsShareAPort() async throws {
        let rig = try await Rig.make(threads: 2)
        // Spread by chance: that one of two gets none of so many happens once in 2¹⁹⁹ times.
        #expect(try await rig.connect(200) == ["0", "1"])
        await rig.listener.close()
        rig.loops.stop()
    }

    @Test func aClosedListenerRefuses() async throws {
        let rig = try await Rig.make(threads: 2)
        #expect(try await rig.connect(1).count == 1)
        await rig.listener.close()
        await #expect(throws: (any Error).self) { try await Peer.connect(to: rig.listener.bound.address) }
        rig.loops.stop()
    }

    @Test func aSecondListenerGetsThePortOnlyAfterTheFirst() async throws {
        let rig = try await Rig.make(threads: 1)
        var plan = rig.listener.plan
        plan.port = UInt16(rig.listener.bound.address.port ?? 0)
        let again = plan
        let gate = ConnectionLimiter(limit: 1, reporter: LogRecorder().reporter)
        await #expect(throws: IOError.self) { try await Listener.bind(again, on: rig.loops, gate: gate) }
        await rig.listener.close()
        let second = try await Listener.bind(again, on: rig.loops, gate: gate)
        #expect(second.bound.address == rig.listener.bound.address)
        await second.close()
        rig.loops.stop()
    }

    @Test func aHomeGetsAllConnections() async throws {
        let loops = Loops(threads: 3)
        var plan = Listener.Plan(name: "front", protocol: "test", host: "127.0.0.1", port: 0) { leg, loop in
            leg.write(ByteBuffer(string: loop === loops.all[1] ? "home" : "abroad"))
            leg.end(nil)
        }
        plan.home = loops.all[1]
        let gate = ConnectionLimiter(limit: 100, reporter: LogRecorder().reporter)
        let listener = try await Listener.bind(plan, on: loops, gate: gate)
        #expect(try await Rig(loops: loops, listener: listener).connect(20) == ["home"])
        await listener.close()
        loops.stop()
    }
}
