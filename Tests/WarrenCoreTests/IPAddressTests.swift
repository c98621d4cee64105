// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@Suite("IP addresses") struct IPAddressTests {
    static let forms: [(String, IPAddress, [UInt8])] = [
        ("0.0.0.0", IPAddress(v4: 0), [0, 0, 0, 0]), ("192.0.2.7", IPAddress(v4: 0xC000_0207), [192, 0, 2, 7]),
        ("255.255.255.255", IPAddress(v4: .max), [255, 255, 255, 255]),
        ("::", IPAddress(high: 0, low: 0), [UInt8](repeating: 0, count: 16)),
        ("::1", IPAddress(high: 0, low: 1), [UInt8](repeating: 0, count: 15) + [1]),
        (
            "2001:db8::ff00:42:8329", IPAddress(high: 0x2001_0DB8_0000_0000, low: 0x0000_FF00_0042_8329),
            [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0xFF, 0, 0, 0x42, 0x83, 0x29]
        ),
    ]

    @Test(
        "an IPv6 address counts as its /64, IPv4 within IPv6 as IPv4",
        arguments: [
            ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"), ("2001:db8:1:3::6", "2001:db8:1:3::"), ("::1", "::"),
        ])
    func counts(text: String, as other: String) {
        #expect(IPAddress(text)?.counted == IPAddress(other))
    }

    @Test(
        "IPv4 within IPv6 is IPv4, and nothing else is",
        arguments: [
            ("::ffff:192.0.2.7", "192.0.2.7"), ("::ffff:0.0.0.0", "0.0.0.0"), ("192.0.2.7", "192.0.2.7"),
            ("::192.0.2.7", "::192.0.2.7"), ("::fffe:192.0.2.7", "::fffe:192.0.2.7"), ("::1", "::1"),
            ("1::ffff:192.0.2.7", "1::ffff:192.0.2.7"), ("::1:ffff:192.0.2.7", "::1:ffff:192.0.2.7"),
        ])
    func unmaps(text: String, to other: String) { #expect(IPAddress(text)?.unmapped == IPAddress(other)) }

    @Test("has one text, one packed form and one socket address", arguments: forms)
    func converts(_ text: String, _ address: IPAddress, _ packed: [UInt8]) throws {
        #expect(IPAddress(text) == address)
        #expect(address.description == text)
        #expect(address.packed == ByteBuffer(bytes: packed))
        #expect(address.bitWidth == packed.count * 8)
        let socketAddress = address.socketAddress(port: 443)
        #expect(socketAddress.port == 443)
        #expect(IPAddress(socketAddress) == address)
        var bytes = ByteBuffer(bytes: packed + [9])
        #expect(bytes.readIPAddress(address.family) == address)
        #expect(bytes.readableBytes == 1)
    }

    @Test(
        "reads other ways to write an IPv6 address",
        arguments: [("2001:DB8:0:0::1", "2001:db8::1"), ("::192.0.2.7", "::192.0.2.7")])
    func readsOtherForms(_ text: String, _ shortest: String) { #expect(IPAddress(text)?.description == shortest) }

    @Test(
        "reads nothing else",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", " 1.2.3.4", "0x7f.0.0.1", "2130706433", "localhost",
            "[::1]", "::1%lo",
            "1::2::3", ":", "12345::", "1.2.3.4:80", "1.2.3.4/32",
        ]
    )
    func refuses(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test func refusesUnixSockets() throws {
        #expect(IPAddress(try SocketAddress(unixDomainSocketPath: "/s")) == nil)
    }

    @Test("waits for all bytes", arguments: [(IPAddress.Family.v4, 4), (.v6, 16)])
    func waits(_ family: IPAddress.Family, _ count: Int) {
        for length in 0..<count {
            var bytes = ByteBuffer(repeating: 1, count: length)
            #expect(bytes.readIPAddress(family) == nil)
            #expect(bytes.readableBytes == length)
        }
    }

    @Test(
        "compares prefixes of every length",
        arguments: [IPAddress(v4: 0xA5A5_A5A5), IPAddress(high: 0x0123_4567_89AB_CDEF, low: ~0)])
    func comparesPrefixes(_ address: IPAddress) {
        for bit in 0..<address.bitWidth {
            let other = address.flipping(bit: bit)
            for length in 0...address.bitWidth {
                #expect(other.hasPrefix(address, length: length) == (length <= bit))
                #expect(address.hasPrefix(address, length: length))
            }
        }
        #expect(!address.hasPrefix(address, length: -1))
        #expect(!address.hasPrefix(address, length: address.bitWidth + 1))
    }

    @Test func keepsFamiliesApart() {
        #expect(IPAddress(v4: 1) != IPAddress(high: 0, low: 1))
        #expect(!IPAddress(v4: 1).hasPrefix(IPAddress(high: 0, low: 1), length: 0))
        #expect(!IPAddress(high: 0, low: 1).hasPrefix(IPAddress(v4: 1), length: 0))
    }
}

extension IPAddress {
    /// Bit 0 is the first of the address.
    fileprivate func flipping(bit: Int) -> IPAddress {
        switch self.family {
        case .v4: IPAddress(v4: UInt32(truncatingIfNeeded: self.low) ^ 1 << (31 - bit))
        case .v6 where bit < 64: IPAddress(high: self.high ^ 1 << (63 - bit), low: self.low)
        case .v6: IPAddress(high: self.high, low: self.low ^ 1 << (127 - bit))
        }
    }
}
