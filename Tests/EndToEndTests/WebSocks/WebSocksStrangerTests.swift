// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing

/// Who comes to a server of WebSocks and is no agent.
@Suite(.serialized, .timeLimit(.minutes(2))) struct WebSocksStrangerTests {
    private static let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    private static let head = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: x\r\n"
    private static let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: socks5\r\n"

    @Test(
        "an upgrade that is none gets its status, and the next one is served",
        arguments: WebSocksSite.Carrier.connections)
    func hostileUpgrades(carrier: WebSocksSite.Carrier) async throws {
        let echo = try await Server.echo()
        let site = try await WebSocksSite.start(carrier)
        if carrier == .tcp {
            for (bytes, status) in [
                (Self.get, "400"), ("POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n", "400"),
                (Self.head + Self.key + "\r\n", "401"),
                (Self.head + Self.key + "Authorization: Basic YWxpY2U6eA==\r\n\r\n", "401"),
                (Self.head + Self.key + "Authorization: Basic \u{7f}\u{0}\r\n\r\n", "400"),
                (Self.head + "Sec-WebSocket-Key: !\r\n\r\n", "400"),
                (Self.head + Self.key + "\r\n\u{82}\u{7f}SOCKS", "400"),
                ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
                ("\u{5}\u{1}\u{0}\r\n\r\n", "400"), (String(repeating: "A", count: 20_000), "431"),
                ("GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 2000) + "\r\n", "431"),
            ] {
                #expect(try await site.ask(bytes).hasPrefix("HTTP/1.1 \(status) "), "\(bytes.prefix(200))")
            }
            #expect(try await site.ask("GET / HT") == "")
            #expect(
                try await site.ask(String(repeating: Self.get, count: 100)).components(separatedBy: "HTTP/1.1").count
                    == 34)
        } else {
            // What is no TLS is no upgrade either.
            #expect(!(try await site.ask(Self.head + Self.key + "\r\n").contains("101")))
        }
        let wire = try await site.connect(to: echo.port)
        try await wire.send(ByteBuffer(string: "hello"))
        #expect(try await wire.read(5) == ByteBuffer(string: "hello"))
        wire.close()
        await site.stop()
        try await echo.stop()
    }

    @Test("a visitor gets 400, a page of the folder or another place") func visitors() async throws {
        let plain = try await WebSocksSite.start()
        #expect(try await plain.ask(Self.get).hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        await plain.stop()
        let moved = try await WebSocksSite.start(door: ", redirect: \"https://www.example.net/?a=b\"")
        let answer = try await moved.ask(Self.get)
        #expect(answer.hasPrefix("HTTP/1.1 302 Found\r\n"))
        #expect(answer.contains("\r\nLocation: https://www.example.net/?a=b\r\n"))
        await moved.stop()
    }

    @Test("pages are those of the folder, also after they have changed, and nothing beside it is shown")
    func pages() async throws {
        let web = try Folder()
        let files = FileManager.default
        web.write("index.html", "<p>old</p>")
        try files.createDirectory(atPath: "\(web.path)/a b", withIntermediateDirectories: false)
        web.write("a b/c.txt", "in a folder")
        web.write(".hidden", "hidden")
        try files.createSymbolicLink(atPath: "\(web.path)/link.txt", withDestinationPath: "/etc/hostname")
        let site = try await WebSocksSite.start(door: ", static: \"\(web.path)\"")
        let answer = try await site.ask(Self.get)
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\n<p>old</p>"))
        #expect(answer.contains("\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 10\r\n"))
        #expect(try await site.ask("GET /a%20b/c.txt?x HTTP/1.1\r\n\r\n").hasSuffix("\r\n\r\nin a folder"))
        for path in ["/.hidden", "/link.txt", "/../server.pw", "/a%20b", "/a%20b/", "/%2e%2e/server.pw", "/nosuch"] {
            #expect(try await site.ask("GET \(path) HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "), "\(path)")
        }
        web.write("index.html", "<p>new</p>")
        try await eventually("the new page is shown") { try await site.ask(Self.get).hasSuffix("<p>new</p>") }
        // Folders come with nothing else beside them, their pages change, and they go.
        let page = "GET /d/e/f.txt HTTP/1.1\r\n\r\n"
        try files.createDirectory(atPath: "\(web.path)/d/e", withIntermediateDirectories: true)
        for text in ["first", "second"] {
            web.write("d/e/f.txt", text)
            try await eventually("the page says \(text)") { try await site.ask(page).hasSuffix("\r\n\r\n\(text)") }
        }
        try files.removeItem(atPath: "\(web.path)/d")
        try await eventually("the page is gone") { try await site.ask(page).hasPrefix("HTTP/1.1 404 ") }
        await site.stop()
    }
}
