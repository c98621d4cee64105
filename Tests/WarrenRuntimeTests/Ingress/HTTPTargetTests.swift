// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("HTTP request targets") struct HTTPTargetTests {
    static func target(_ text: String, _ method: String = "GET") throws(HTTPAnswer) -> HTTPTarget {
        try HTTPTarget(ByteBuffer(string: text).readableBytesView, method: method)
    }

    static let absolute: [(String, String, UInt16, String, String)] = [
        ("http://example.net/", "example.net", 80, "example.net", "/"),
        ("http://example.net", "example.net", 80, "example.net", "/"),
        ("HTTP://Example.NET:8080/a?b=c", "Example.NET", 8080, "Example.NET:8080", "/a?b=c"),
        ("http://example.net?q", "example.net", 80, "example.net", "/?q"),
        ("http://example.net:/x", "example.net", 80, "example.net", "/x"),
        ("http://[2001:db8::1]/", "2001:db8::1", 80, "[2001:db8::1]", "/"),
        ("http://[2001:db8::1]:81/x", "2001:db8::1", 81, "[2001:db8::1]:81", "/x"),
        ("http://192.0.2.7:65535/http://b/", "192.0.2.7", 65535, "192.0.2.7:65535", "/http://b/"),
        ("http://a/ü@:[]", "a", 80, "a", "/ü@:[]"), ("http://a_b.c-d/", "a_b.c-d", 80, "a_b.c-d", "/"),
        // RFC 9112, section 3.2.2.
        (
            "http://www.example.org/pub/WWW/TheProject.html", "www.example.org", 80, "www.example.org",
            "/pub/WWW/TheProject.html"
        ),
    ]

    @Test("reads the absolute form", arguments: absolute)
    func readsAbsolute(_ text: String, _ host: String, _ port: UInt16, _ authority: String, _ path: String) throws {
        let target = try Self.target(text)
        #expect(target.host == Host(host) && target.port == port)
        #expect(target.authority == authority)
        #expect(target.path == ByteBuffer(string: path))
    }

    @Test func readsOPTIONSOfTheWholeServer() throws {
        // RFC 9112, section 3.2.4.
        #expect(try Self.target("http://www.example.org:8001", "OPTIONS").path == ByteBuffer(string: "*"))
        #expect(try Self.target("http://www.example.org:8001/", "OPTIONS").path == ByteBuffer(string: "/"))
        #expect(try Self.target("http://www.example.org?a", "OPTIONS").path == ByteBuffer(string: "/?a"))
    }

    static let badAbsolute = [
        "", "/", "*", "example.net", "example.net:80", "http:/a/", "http//a", "://a/", "http://", "http:///x",
        "http://:80/",
        "https://a/", "ftp://a/", "ws://a/", "http://u@a/", "http://u:p@a/", "http://a/#f", "http://a#f", "http://a:0/",
        "http://a:65536/", "http://a:+80/", "http://a:8a/", "http://a:000080/", "http://a:80:80/", "http://[::1/",
        "http://[]/",
        "http://[a]/", "http://[127.0.0.1]/", "http://[::1]x/", "http://[::1]x:80/", "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/", "http://::1/", "http://a%2eb/",
        "http://a,b/", "http://a~b/", "http://a..b/", "http://a\\b/", "http://a\u{7F}/", "http://a b/",
        "http://a\u{202E}/",
    ]
    @Test("refuses everything else", arguments: badAbsolute)
    func refusesAbsolute(_ text: String) {
        #expect(throws: HTTPAnswer.self) { try Self.target(text) }
    }

    @Test("reads the authority of CONNECT")
    func readsAuthority() throws {
        let target = try Self.target("example.net:443", "CONNECT")
        #expect(target.destination == .tcp(.name("example.net"), port: 443) && target.path == nil)
        #expect(try Self.target("[::1]:1", "CONNECT").host == Host("::1"))
    }

    @Test(
        "refuses everything else in CONNECT",
        arguments: [
            "", ":", "a", "a:", ":1", "a:0", "a:65536", "a:99999999999", "http://a:1", "a:1/", "u@a:1", "[::1]",
            "[::1]:", "::1:1",
            "[::1:1", "*:1", "a:1?",
        ]
    )
    func refusesAuthority(_ text: String) {
        #expect(throws: HTTPAnswer.self) { try Self.target(text, "CONNECT") }
    }
}
