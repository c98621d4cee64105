// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite struct OwnNamesTests {
    private static let own = OwnNames(["relay.example", "localhost"])

    /// What is said of the bytes when they come in pieces of a size.
    private static func said(_ bytes: ByteBuffer, hasTLS: Bool, size: Int) -> Detection {
        let detect = Self.own.detector(hasTLS: hasTLS)
        var end = 0
        while end < bytes.readableBytes {
            end = min(end + size, bytes.readableBytes)
            switch detect(bytes.readableBytesView.prefix(end)) {
            case .needs: continue
            case .yes: return .yes
            case .no: return .no
            }
        }
        return .needs(bytes: 0)
    }

    private static func hello(_ name: String?) -> ByteBuffer {
        ClientHelloTests.Sample(name: name, padding: 1300).records(of: 500)
    }

    private static func request(_ host: String) -> ByteBuffer {
        ByteBuffer(string: "GET /ws HTTP/1.1\r\nHost: \(host)\r\n\r\nbehind")
    }

    @Test("where the relay ends TLS, its names are told by the ClientHello", arguments: [1, 7, 5000])
    func tls(size: Int) {
        let expected: [(String?, Detection)] = [
            ("relay.example", .yes), ("LOCALHOST", .yes), ("dev.example", .no), ("a.relay.example", .no), (nil, .no),
        ]
        for (name, detection) in expected {
            #expect(Self.said(Self.hello(name), hasTLS: true, size: size) == detection, "\(name ?? "none")")
        }
        #expect(Self.said(Self.request("relay.example"), hasTLS: true, size: size) == .no)
    }

    @Test("else by the Host of the first request", arguments: [1, 7, 5000])
    func http(size: Int) {
        let expected: [(String, Detection)] = [
            ("relay.example", .yes), ("Relay.Example:8443", .yes), ("dev.example", .no), ("a/b", .no), ("", .no),
        ]
        for (host, detection) in expected {
            #expect(Self.said(Self.request(host), hasTLS: false, size: size) == detection, "\(host)")
        }
        #expect(Self.said(Self.hello("relay.example"), hasTLS: false, size: size) == .no)
        #expect(Self.said(ByteBuffer(string: "SSH-2.0-x\r\n"), hasTLS: false, size: size) == .no)
    }

    @Test func whatNeverBecomesAHeadIsSomebodyElses() {
        let long = ByteBuffer(string: "GET /\(String(repeating: "a", count: 20_000)) HTTP/1.1\r\n")
        #expect(Self.said(long, hasTLS: false, size: 1000) == .no)
        let odd = ByteBuffer(string: "GET / HTTP/1.1\r\nHost: relay.example\nA: b\r\n\r\n")
        #expect(Self.said(odd, hasTLS: false, size: 3) == .no)
        #expect(Self.said(ByteBuffer(string: "GET / HT"), hasTLS: false, size: 3) == .needs(bytes: 0))
    }
}
