// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenTesting

@testable import WarrenKCP

@Suite("KCP bad datagrams")
struct BadDatagramTests {
    @Test(
        "drops bad datagrams and lives",
        arguments: [
            ("short (23 bytes)", 1), ("cmd 80", 1), ("conv mismatch (conv=1, expecting 0)", 1),
            ("trailing <24 bytes after valid segment is ignored", 0), ("rsock magic 31-byte record skipped", 0),
        ] as [(String, UInt64)])
    func dropsBadDatagrams(name: String, bad: UInt64) throws {
        let vector = try #require(try Vectors.load().invalid.first { $0.name == name })
        var machine = KCP.Machine(.vproxy(), now: .uptimeNanoseconds(0))
        machine.input(ByteBuffer(hex: vector.hex), now: .uptimeNanoseconds(1))
        #expect(machine.counters.badDatagrams == bad)
        #expect(machine.failure == nil)
        #expect(machine.poll(now: .uptimeNanoseconds(1)) == nil)
        machine.input(ByteBuffer(), now: .uptimeNanoseconds(1))
        #expect(machine.counters.badDatagrams == bad)
    }

    @Test func readsWhatFollowsAForeignRecord() throws {
        let record = try #require(try Vectors.load().invalid.last).hex
        var machine = KCP.Machine(.vproxy(), now: .uptimeNanoseconds(0))
        var bytes = ByteBuffer(hex: record)
        bytes.writeKCPSegment(
            KCP.Segment(KCP.Header(command: .push, window: 32, awaited: 0), data: ByteBuffer(string: "hello")))
        machine.input(bytes, now: .uptimeNanoseconds(1))
        #expect(machine.receive() == ByteBuffer(string: "hello"))
    }
}
