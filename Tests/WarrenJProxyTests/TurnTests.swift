// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

/// Who goes first on a carrier that is full.
@Suite("jProxy, turns")
struct TurnTests {
    typealias Server = Harness<JProxy.ServerMachine>

    @Test("a short message goes ahead of what sixty-three bulk streams have queued", arguments: [false, true])
    func shortMessageBesideBulk(extended: Bool) throws {
        var server = try extended ? Server.extended() : Server.loggedIn()
        for id in 0..<64 as Range<UInt16> {
            if extended { server.openWindowed(id, granted: nil) } else { server.open(id) }
        }
        server.writable = false
        let bulk = ByteBuffer(repeating: 1, count: 128 << 10)
        for id in 0..<63 as Range<UInt32> { server.machine.send(bulk, on: StreamID(id)) }
        _ = server.drain()
        server.machine.send(ByteBuffer(repeating: 2, count: 64), on: StreamID(63))
        server.writable = true
        var before: [UInt16: Int] = [:]
        while let action = server.machine.next(now: server.now, writable: true) {
            for case .data(let id, let bytes) in server.written([action]) {
                if id == 63 { return #expect(before.isEmpty) }
                before[id, default: 0] += bytes.readableBytes
                // Sources that always have more.
                server.machine.send(ByteBuffer(repeating: 1, count: bytes.readableBytes), on: StreamID(UInt32(id)))
            }
        }
        Issue.record("the short message never came")
    }
}
