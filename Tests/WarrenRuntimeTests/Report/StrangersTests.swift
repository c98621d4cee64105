// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite struct StrangersTests {
    private func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 1000) }

    @Test func theFirstOfAnAddressAndMinuteIsNewsAndTheOthersAreCounted() throws {
        let strangers = Strangers()
        let (one, two) = (try self.address("192.0.2.1"), try self.address("192.0.2.2"))
        let start = NIODeadline.now()
        #expect(strangers.news(of: one, at: start) == 0)
        #expect(strangers.news(of: one, at: start + .seconds(1)) == nil)
        #expect(strangers.news(of: two, at: start + .seconds(1)) == 0)
        #expect(strangers.news(of: one, at: start + .seconds(59)) == nil)
        #expect(strangers.news(of: one, at: start + .seconds(60)) == 2)
    }

    @Test("who is told of by another as IPv4 within IPv6 is one of many, as any IPv4 address is")
    func mapped() throws {
        let strangers = Strangers()
        let now = NIODeadline.now()
        #expect(strangers.news(of: try self.address("::ffff:192.0.2.1"), at: now) == 0)
        #expect(strangers.news(of: try self.address("::ffff:192.0.2.2"), at: now) == 0)
        #expect(strangers.news(of: try self.address("192.0.2.1"), at: now) == nil)
    }

    @Test func aFloodFromManyAddressesIsNoFloodOfNews() throws {
        let strangers = Strangers(most: 3)
        let start = NIODeadline.now()
        let shown = try (1...200).filter { strangers.news(of: try self.address("192.0.2.\($0)"), at: start) != nil }
        #expect(shown == [1, 2, 3])
        #expect(strangers.news(of: try self.address("192.0.2.99"), at: start + .seconds(61)) == 0)
    }

    @Test("a name that is claimed is shown without control characters, and bytes that are no name in hexadecimal")
    func shownIdentities() {
        #expect(Claim(identity: Array("alice".utf8)).shownIdentity == "alice")
        #expect(Claim(identity: Array("a\nb\u{1B}[0m".utf8)).shownIdentity == "a?b?[0m")
        #expect(Claim(identity: [0xFF, 0x01]).shownIdentity == "ff01")
        #expect(Claim(identity: []).shownIdentity == "")
        #expect(Claim(identity: Array(repeating: 0x61, count: 500)).shownIdentity.count == 60)
    }
}
