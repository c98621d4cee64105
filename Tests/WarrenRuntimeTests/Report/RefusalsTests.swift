// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite struct RefusalsTests {
    private static func request(_ port: UInt16, user: String? = nil) throws -> StreamRequest {
        let source = try SocketAddress(ipAddress: "192.0.2.1", port: Int(port))
        return StreamRequest(.tcp(.name("far.example"), port: 80), source: source, user: user)
    }

    private static func refusals(_ count: Int) throws -> [EgressRefusal] {
        (0..<UInt32(count)).map { EgressRefusal(address: IPAddress(v4: 0x0A00_0001 + $0), port: 80, rule: nil) }
    }

    @Test func eachStreamGetsItsOwnOnce() throws {
        let refusals = Refusals()
        refusals.keep(try Self.refusals(1), of: try Self.request(1))
        refusals.keep(try Self.refusals(2), of: try Self.request(2))
        #expect(refusals.take(try Self.request(3)) == nil)
        #expect(refusals.take(try Self.request(1, user: "bob")) == nil)
        #expect(refusals.take(try Self.request(1)) == "10.0.0.1:80 is private, which no allow rule names")
        #expect(refusals.take(try Self.request(1)) == nil)
        #expect(refusals.take(try Self.request(2))?.contains("10.0.0.2:80") == true)
    }

    @Test func manyAddressesAreCounted() throws {
        let sentence = Refusals.sentence(try Self.refusals(30))
        #expect(sentence.contains("10.0.0.3:80") && !sentence.contains("10.0.0.4:80"))
        #expect(sentence.hasSuffix(", and 27 more addresses"))
    }

    @Test func whatIsNeverTakenDoesNotStayForEver() throws {
        let refusals = Refusals()
        for port in 1...1000 { refusals.keep(try Self.refusals(1), of: try Self.request(UInt16(port))) }
        let left = try (1...1000).count { refusals.take(try Self.request(UInt16($0))) != nil }
        #expect((1...256).contains(left))
        // The last one is always there.
        refusals.keep(try Self.refusals(1), of: try Self.request(7))
        #expect(refusals.take(try Self.request(7)) != nil)
    }
}
