// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("Egress rules") struct EgressRuleTests {
    static func network(_ text: String, _ length: Int, port: UInt16? = nil) -> EgressRule {
        EgressRule(.network(IPAddress(text) ?? IPAddress(v4: 0), length: length), port: port)
    }

    static let good: [(String, EgressRule, String)] = [
        ("public", .public, "public"), ("private", .private, "private"), ("loopback", .loopback, "loopback"),
        ("Public", .public, "public"), ("public:443", EgressRule(.class(.public), port: 443), "public:443"),
        ("loopback:65535", EgressRule(.class(.loopback), port: 65535), "loopback:65535"),
        ("10.0.0.0/8", network("10.0.0.0", 8), "10.0.0.0/8"), ("0.0.0.0/0", network("0.0.0.0", 0), "0.0.0.0/0"),
        ("10.0.0.0/8:22", network("10.0.0.0", 8, port: 22), "10.0.0.0/8:22"),
        ("192.0.2.7", network("192.0.2.7", 32), "192.0.2.7"),
        ("192.0.2.7/32:1", network("192.0.2.7", 32, port: 1), "192.0.2.7:1"),
        ("2001:db8::/32", network("2001:db8::", 32), "2001:db8::/32"), ("::/0", network("::", 0), "::/0"),
        ("[2001:db8::/32]:443", network("2001:db8::", 32, port: 443), "[2001:db8::/32]:443"),
        ("[2001:db8::/32]", network("2001:db8::", 32), "2001:db8::/32"), ("::1", network("::1", 128), "::1"),
        ("[::1]:80", network("::1", 128, port: 80), "[::1]:80"), ("[::1]", network("::1", 128), "::1"),
        ("::ffff:10.0.0.0/104", network("::ffff:10.0.0.0", 104), "::ffff:10.0.0.0/104"),
        ("fe80::/65", network("fe80::", 65), "fe80::/65"),
        ("example.net", EgressRule(.host("example.net")), "example.net"),
        ("Example.NET.", EgressRule(.host("example.net")), "example.net"),
        ("localhost", EgressRule(.host("localhost")), "localhost"),
        ("*.example.net", EgressRule(.subdomains(of: "example.net")), "*.example.net"),
        ("*.Example.net.:443", EgressRule(.subdomains(of: "example.net"), port: 443), "*.example.net:443"),
        ("a_b-c.1d:1", EgressRule(.host("a_b-c.1d"), port: 1), "a_b-c.1d:1"),
        ("Bücher.de", EgressRule(.host("xn--bcher-kva.de")), "xn--bcher-kva.de"),
        ("*.bu\u{308}cher.de", EgressRule(.subdomains(of: "xn--bcher-kva.de")), "*.xn--bcher-kva.de"),
        ("NAS.", EgressRule(.host("nas")), "nas."), ("nas.:22", EgressRule(.host("nas"), port: 22), "nas.:22"),
    ]
    @Test("reads and writes every form", arguments: good)
    func reads(_ text: String, _ rule: EgressRule, _ written: String) throws {
        #expect(try EgressRule(text) == rule)
        #expect(rule.description == written)
        #expect(try EgressRule(written) == rule)
    }

    static let bad: [(String, String)] = [
        ("", "The rule is empty."), ("a b", "'a b' holds white space or a control character."),
        ("public:0", "'0' in 'public:0' is not a port from 1 to 65535."),
        ("public:", "'' in 'public:' is not a port from 1 to 65535."),
        ("public:65536", "'65536' in 'public:65536' is not a port from 1 to 65535."),
        ("public:+1", "'+1' in 'public:+1' is not a port from 1 to 65535."),
        ("public:https", "'https' in 'public:https' is not a port from 1 to 65535."),
        (":443", "The rule has a port and nothing before it; for every address write 'public' and 'private'."),
        ("*", "'*' is not a rule; for every address write 0.0.0.0/0 and ::/0."),
        ("any", "'any' is not a rule; for every address write 0.0.0.0/0 and ::/0."),
        (
            "metadata",
            "'metadata' is not a class that rules know (public, private, loopback); write an address or a network."
        ),
        ("10.0.0.1/8", "'10.0.0.1/8' has bits after its prefix; the network is 10.0.0.0/8, the address 10.0.0.1."),
        (
            "2001:db8::1/64",
            "'2001:db8::1/64' has bits after its prefix; the network is 2001:db8::/64, the address 2001:db8::1."
        ),
        (
            "fe80::1:0:0:1/80",
            "'fe80::1:0:0:1/80' has bits after its prefix; the network is fe80::1:0:0:0/80, the address fe80::1:0:0:1."
        ),
        ("10.0.0.0/33", "'33' in '10.0.0.0/33' is not a prefix length from 0 to 32."),
        ("::/129", "'129' in '::/129' is not a prefix length from 0 to 128."),
        ("10.0.0.0/", "'' in '10.0.0.0/' is not a prefix length from 0 to 32."),
        ("10.0.0.0/-1", "'-1' in '10.0.0.0/-1' is not a prefix length from 0 to 32."),
        ("10.0.0.0/8/9", "'10.0.0.0/8/9' is not a network: before '/' must stand an IP address, after it a number."),
        ("10/8", "'10/8' is not a network: before '/' must stand an IP address, after it a number."),
        (
            "example.net/24",
            "'example.net/24' is not a network: before '/' must stand an IP address, after it a number."
        ),
        ("2001:db8::/32:443", "'2001:db8::/32:443': an IPv6 network with a port is written [2001:db8::/32]:443."),
        ("[::]/0:1", "'[::]/0:1': write the prefix length inside the brackets, [::/0]."),
        ("[::1", "'[::1' has '[' without ']'."),
        ("[::1]80", "'[::1]80' goes on after ']' with no ':'."),
        ("[10.0.0.1]:80", "'[10.0.0.1]:80': only IPv6 addresses and networks are written in brackets."),
        ("1::2::3", "'1::2::3' is not an IPv6 address."),
        ("fe80::1%eth0", "'fe80::1%eth0': a rule cannot name an interface (%)."),
        ("300.1.1.1", "'300.1.1.1' is not an IPv4 address: it takes four numbers from 0 to 255."),
        ("10.0.0", "'10.0.0' is not an IPv4 address: it takes four numbers from 0 to 255."),
        ("a.*.net", "'a.*.net': a '*' may only be the whole first label, as in *.example.net."),
        ("*example.net", "'*example.net': a '*' may only be the whole first label, as in *.example.net."),
        ("a..b", "'a..b' is neither public, private, loopback, nor an address, a network or a host name."),
        ("*.", "'*.' is neither public, private, loopback, nor an address, a network or a host name."),
        (".", "'.' is neither public, private, loopback, nor an address, a network or a host name."),
        (
            "a\\100s.net",
            "'a\\100s.net' is neither public, private, loopback, nor an address, a network or a host name."
        ),
        (
            "pubilc",
            "'pubilc' is none of the words public, private, loopback, localhost; a host of this name is written 'pubilc.'."
        ),
        ("a,b", "'a,b' is neither public, private, loopback, nor an address, a network or a host name."),
    ]
    @Test("says what is wrong", arguments: bad)
    func refuses(_ text: String, _ sentence: String) {
        let error = #expect(throws: EgressRule.ParseError.self) { try EgressRule(text) }
        #expect(error?.description == sentence)
    }
}
