// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

@Suite struct HeaderStampTests {
    private static func header(_ random: inout SeededRandom) -> MProxy.Header {
        let text = { (most: Int, random: inout SeededRandom) in
            String(repeating: "a.b-", count: most).prefix(Int.random(in: 0...most, using: &random))
        }
        let family = ["IPv4", "IPv6", "tun", "", "\u{E9}"].randomElement(using: &random) ?? ""
        let source = MProxy.Address(
            family: family, address: String(text(60, &random)), port: "\(UInt16.random(in: 0 ... .max, using: &random))"
        )
        let service = ["https", "tcp", "", String(text(64, &random))].randomElement(using: &random) ?? ""
        let port = ["", "0", "443"].randomElement(using: &random) ?? ""
        let name = text(Bool.random(using: &random) ? 40 : 300, &random)
        return MProxy.Header(
            .data, source, length: Int.random(in: 0...9, using: &random), service: service, servicePort: port,
            name: String(name), isGo: Bool.random(using: &random))
    }

    /// Whether the header has all its texts, whatever length it says.
    private static func isSteady(_ header: MProxy.Header, _ dialect: MProxy.Dialect) throws -> Bool {
        let sizes = try [1, 9_999_999_999].map { length in
            var header = header
            header.length = length
            return try MProxy.Packer.packHeader(header, dialect).readableBytes
        }
        return sizes[1] == sizes[0] + 9
    }

    @Test("a stamped frame is the frame that the packer makes", arguments: [MProxy.Dialect.node, .go])
    func frames(dialect: MProxy.Dialect) throws {
        var stamped = 0
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            let header = Self.header(&random)
            let isSteady = try Self.isSteady(header, dialect)
            guard let stamp = MProxy.HeaderStamp(header, dialect) else {
                // A few bytes early does no harm.
                let size = try MProxy.Packer.packHeader(header.answering(.data), dialect).readableBytes
                #expect(!isSteady || size + 12 > MProxy.Header.mostBytes, "seed \(seed)")
                continue
            }
            stamped += 1
            #expect(isSteady, "seed \(seed)")
            #expect(stamp.dialect == dialect)
            let counts = [0, 9, 10, 99, 100, Int.random(in: 0...200_000, using: &random)]
            for count in counts {
                let body = random.bytes(count)
                #expect(stamp.frame(body) == (try MProxy.Packer.frame(header, body, dialect)), "seed \(seed)")
            }
        }
        #expect(stamped > ModelRuns.count / 2)
    }

    @Test("there is one for a header up to a size, and none past it", arguments: [MProxy.Dialect.node, .go])
    func sizes(dialect: MProxy.Dialect) throws {
        var isStamped: [Bool] = []
        for count in 0...300 {
            let source = MProxy.Address(family: "IPv4", address: "192.0.2.7", port: "4321")
            let header = MProxy.Header(
                .data, source, service: "https", servicePort: "443", name: String(repeating: "a", count: count))
            let stamp = MProxy.HeaderStamp(header, dialect)
            isStamped.append(stamp != nil)
            guard let stamp else { continue }
            #expect(try Self.isSteady(header, dialect))
            for body in [ByteBuffer(), ByteBuffer(repeating: 1, count: 12_345)] {
                #expect(stamp.frame(body) == (try MProxy.Packer.frame(header, body, dialect)))
            }
        }
        // In between a long length would push the name out; past that the name is out always.
        let first = try #require(isStamped.firstIndex(of: false))
        let gap = isStamped[first...].prefix { !$0 }.count
        #expect(first > 200 && gap < 16 && isStamped[(first + gap)...].allSatisfy { $0 })
    }

    @Test func whatCannotBeWrittenHasNone() {
        let source = MProxy.Address(family: "IPv4", address: "192.0.2.7", port: "4321")
        for kind in MProxy.Header.Kind.allCases where kind != .data {
            #expect(MProxy.HeaderStamp(MProxy.Header(kind, source, service: "https"), .node) == nil)
        }
        for text in ["a,b", "a\n", "\0"] {
            #expect(MProxy.HeaderStamp(MProxy.Header(.data, source, service: "tcp", name: text), .node) == nil)
        }
        let long = MProxy.Address(family: "IPv4", address: String(repeating: "1", count: 250), port: "1")
        #expect(MProxy.HeaderStamp(MProxy.Header(.data, long, service: "tcp"), .go) == nil)
    }
}
