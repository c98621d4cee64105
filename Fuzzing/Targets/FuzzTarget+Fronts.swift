// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenRuntime

// The first byte of an input says how the runtime behaves; the rest comes from the user.
extension FuzzTarget {
    static let fronts = [
        FuzzTarget("socks5") { front($0) { SOCKS5Server($0) } },
        FuzzTarget("socks4") { front($0) { SOCKS4Server($0) } },
        FuzzTarget("http") { front($0) { HTTPProxyServer($0) } },
        FuzzTarget("http-answer", answer),
        FuzzTarget("public", visitor),
        FuzzTarget("public-answer", device),
        FuzzTarget("socks5-upstream") { upstream($0) { SOCKS5Upstream(login: $0, handshake: .seconds(10)) } },
        FuzzTarget("http-upstream") { upstream($0) { HTTPUpstream(login: $0) } },
    ]

    /// What a proxy of others answers.
    private static func upstream<Machine: SessionMachine>(
        _ input: [UInt8], _ make: (UpstreamLogin?) -> Machine
    ) -> String? {
        let login = (input.first ?? 0) & 1 == 0 ? nil : UpstreamLogin(user: "alice", password: "secret")
        return FuzzDriver.judge(Array(input.dropFirst()), .init(opens: true)) { make(login) }
    }

    private static func front<Machine: SessionMachine>(
        _ input: [UInt8], _ make: (ProxyServerConfiguration) -> Machine
    ) -> String? {
        let flags = input.first ?? 0
        var manner = FuzzDriver<Machine>.Manner()
        if flags & 1 != 0 { manner.verdict = .denied }
        manner.accepts = flags & 2 == 0
        manner.echoes = flags & 8 != 0
        let configuration = ProxyServerConfiguration(requiresLogin: flags & 4 != 0)
        return FuzzDriver.judge(Array(input.dropFirst()), manner) { make(configuration) }
    }

    private static func publicServer() -> PublicServer {
        var configuration = PublicServer.Configuration(limits: SessionLimits())
        configuration.redirects = false
        return PublicServer(configuration, port: 80)
    }

    /// What follows the first request of a visitor by plain HTTP.
    private static func visitor(_ input: [UInt8]) -> String? {
        let flags = input.first ?? 0
        var manner = FuzzDriver<PublicServer>.Manner()
        manner.accepts = flags & 1 == 0
        manner.echoes = flags & 2 != 0
        let first = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        return FuzzDriver.judge(first + input.dropFirst(), manner, self.publicServer)
    }

    private static let visits = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly",
        "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
    ]

    /// What the device of such a visitor answers.
    private static func device(_ input: [UInt8]) -> String? {
        let visit = Array(Self.visits[Int(input.first ?? 0) % Self.visits.count].utf8)
        for size in [max(input.count, 1), 1] {
            var driver = FuzzDriver(Self.publicServer())
            driver.feed(visit, by: visit.count)
            if let complaint = driver.answered(input.dropFirst(), by: size) { return complaint }
        }
        return nil
    }

    private static let requests: [String] = [
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.0\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
    ]

    /// An origin's answer to a request in absolute form.
    private static func answer(_ input: [UInt8]) -> String? {
        let request = Self.requests[Int(input.first ?? 0) % Self.requests.count]
        for size in [max(input.count, 1), 1] {
            var driver = FuzzDriver(HTTPProxyServer(ProxyServerConfiguration()))
            driver.feed(Array(request.utf8), by: request.utf8.count)
            if let complaint = driver.answered(input.dropFirst(), by: size) { return complaint }
        }
        return nil
    }
}

extension FuzzDriver {
    /// What is at the other end of the one stream says this, and no more.
    fileprivate mutating func answered(_ bytes: ArraySlice<UInt8>, by size: Int) -> String? {
        var rest = ByteBuffer(bytes: bytes)
        while let piece = rest.readSlice(length: min(size, rest.readableBytes)), piece.readableBytes > 0 {
            self.machine.send(piece, on: StreamID(0))
            self.pull()
        }
        self.machine.finish(StreamID(0))
        self.pull()
        self.end()
        return self.complaint
    }
}
