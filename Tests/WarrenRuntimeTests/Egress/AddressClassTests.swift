// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("Address classes") struct AddressClassTests {
    static func classOf(_ text: String) throws -> AddressClass { AddressClass(try #require(IPAddress(text))) }

    /// The first and last address of every range, and its neighbours.
    static let v4: [(String, AddressClass)] = [
        ("0.0.0.0", .unspecified), ("0.255.255.255", .unspecified), ("1.0.0.0", .public), ("9.255.255.255", .public),
        ("10.0.0.0", .private), ("10.255.255.255", .private), ("11.0.0.0", .public), ("100.63.255.255", .public),
        ("100.64.0.0", .private), ("100.100.100.199", .private), ("100.100.100.200", .metadata),
        ("100.100.100.201", .private), ("100.127.255.255", .private), ("100.128.0.0", .public),
        ("126.255.255.255", .public), ("127.0.0.0", .loopback), ("127.0.0.1", .loopback),
        ("127.255.255.255", .loopback),
        ("128.0.0.0", .public), ("168.63.129.15", .public), ("168.63.129.16", .metadata), ("168.63.129.17", .public),
        ("169.253.255.255", .public), ("169.254.0.0", .linkLocal), ("169.254.169.253", .linkLocal),
        ("169.254.169.254", .metadata), ("169.254.169.255", .linkLocal), ("169.254.170.2", .metadata),
        ("169.254.170.23", .metadata), ("169.254.170.3", .linkLocal), ("169.254.255.255", .linkLocal),
        ("169.255.0.0", .public), ("172.15.255.255", .public), ("172.16.0.0", .private), ("172.31.255.255", .private),
        ("172.32.0.0", .public), ("191.255.255.255", .public), ("192.0.0.0", .reserved), ("192.0.0.192", .metadata),
        ("192.0.0.255", .reserved), ("192.0.1.0", .public), ("192.0.1.255", .public), ("192.0.2.0", .reserved),
        ("192.0.2.255", .reserved), ("192.0.3.0", .public), ("192.88.98.255", .public), ("192.88.99.0", .reserved),
        ("192.88.99.255", .reserved), ("192.88.100.0", .public), ("192.167.255.255", .public),
        ("192.168.0.0", .private),
        ("192.168.255.255", .private), ("192.169.0.0", .public), ("198.17.255.255", .public), ("198.18.0.0", .reserved),
        ("198.19.255.255", .reserved), ("198.20.0.0", .public), ("198.51.99.255", .public), ("198.51.100.0", .reserved),
        ("198.51.100.255", .reserved), ("198.51.101.0", .public), ("203.0.112.255", .public),
        ("203.0.113.0", .reserved),
        ("203.0.113.255", .reserved), ("203.0.114.0", .public), ("223.255.255.255", .public), ("224.0.0.0", .multicast),
        ("239.255.255.255", .multicast), ("240.0.0.0", .reserved), ("255.255.255.255", .reserved), ("8.8.8.8", .public),
    ]
    @Test("knows IPv4", arguments: v4)
    func knowsV4(_ text: String, _ expected: AddressClass) throws { #expect(try Self.classOf(text) == expected) }

    @Test("judges IPv4 in IPv6 as the IPv4 that is reached", arguments: v4)
    func knowsEmbedded(_ text: String, _ expected: AddressClass) throws {
        let low = try #require(IPAddress(text)).low
        #expect(AddressClass(IPAddress(high: 0, low: 0xFFFF_0000_0000 | low)) == expected)
        #expect(AddressClass(IPAddress(high: 0x0064_FF9B_0000_0000, low: low)) == expected)
        #expect(AddressClass(IPAddress(high: 0x2002_0000_0000_0000 | low << 16 | 0xABCD, low: 1)) == expected)
        // ::0.0.0.0 is the unspecified address itself.
        #expect(AddressClass(IPAddress(high: 0, low: low)) == expected)
    }

    static let v6: [(String, AddressClass)] = [
        ("::", .unspecified), ("::1", .loopback), ("::2", .unspecified), ("::127.0.0.1", .loopback),
        ("::ffff:169.254.169.254", .metadata), ("::fffe:8.8.8.8", .reserved), ("::ffff:0:8.8.8.8", .reserved),
        ("::1:0:8.8.8.8", .reserved), ("64:ff9b::8.8.8.8", .public), ("64:ff9b::1:8.8.8.8", .reserved),
        ("64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", .reserved), ("64:ff9b:1::", .private),
        ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", .private), ("64:ff9b:2::", .reserved), ("100::", .reserved),
        ("100::ffff:ffff:ffff:ffff", .reserved), ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .reserved),
        ("2000::", .public), ("2000:ffff::", .public), ("2001::", .reserved), ("2001:0:ffff::", .reserved),
        ("2001:2::", .reserved), ("2001:10::", .reserved), ("2001:20::", .reserved), ("2001:1ff:ffff::", .reserved),
        ("2001:200::", .public), ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", .public), ("2001:db8::", .reserved),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", .reserved), ("2001:db9::", .public), ("2001:ffff::", .public),
        ("2002:7f00:1::", .loopback), ("2002:808:808::", .public), ("2003::", .public), ("2606:4700::1111", .public),
        ("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .public), ("3fff::", .reserved),
        ("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", .reserved), ("3fff:1000::", .public),
        ("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .public), ("4000::", .reserved), ("5f00::", .reserved),
        ("fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .reserved), ("fc00::", .private), ("fd00:ec2::253", .private),
        ("fd00:ec2::254", .metadata), ("fd00:ec2::23", .metadata), ("fd20:ce::254", .metadata),
        ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .private), ("fe00::", .reserved), ("fe7f:ffff::", .reserved),
        ("fe80::", .linkLocal), ("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .linkLocal), ("fec0::", .reserved),
        ("feff:ffff::", .reserved), ("ff00::", .multicast), ("ff02::1", .multicast),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .multicast),
    ]
    @Test("knows IPv6", arguments: v6)
    func knowsV6(_ text: String, _ expected: AddressClass) throws { #expect(try Self.classOf(text) == expected) }
}
