// SPDX-License-Identifier: Apache-2.0

import Testing
import WarrenCore

@Suite("Destinations") struct DestinationTests {
    @Test("tells addresses from names", arguments: ["192.0.2.7", "2001:db8::1", "[2001:db8::1]", "[192.0.2.7]"])
    func findsAddresses(_ text: String) {
        guard case .address = Host(text) else {
            Issue.record("\(text) became a name")
            return
        }
    }

    @Test(
        "keeps names as they are",
        arguments: ["example.net", "Example.NET.", "192.0.2", "[example.net]", "::1%lo", "["])
    func keepsNames(_ text: String) {
        #expect(Host(text) == .name(text))
        #expect(Host(text).description == text)
    }

    @Test func takesBracketsOff() { #expect(Host("[::1]") == Host("::1")) }

    static let descriptions: [(Destination, String)] = [
        (.tcp(Host("example.net"), port: 443), "example.net:443"), (.tcp(Host("192.0.2.1"), port: 0), "192.0.2.1:0"),
        (.tcp(Host("2001:db8::1"), port: 65535), "[2001:db8::1]:65535"),
        (.host(Host("192.0.2.1"), port: 53, .udp), "udp:192.0.2.1:53"),
        (.host(Host("::1"), port: 53, .udp), "udp:[::1]:53"),
        (.service(name: "blog", port: 80), "service blog:80"), (.service(name: "", port: 80), "service *:80"),
        (.meeting("key"), "meeting key"), (.fixed, "fixed target"),
    ]
    @Test("describes itself", arguments: descriptions)
    func describes(_ destination: Destination, _ text: String) { #expect(destination.description == text) }
}
