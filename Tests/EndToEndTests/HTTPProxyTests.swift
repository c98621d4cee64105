// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

@Suite(.serialized, .timeLimit(.minutes(2))) struct HTTPProxyTests {
    @Test(
        "curl fetches from several origins over one connection, one that refuses among them",
        .enabled(if: Curl.isThere, "\(Curl.absence)")
    )
    func persists() async throws {
        let webs = try await [Web.start(), Web.start()]
        let site = try await Site.start(target: webs[0].port)
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        for front in ["mixed", "tunnelled"] {
            let folder = try Folder()
            var arguments = [
                "-x", "http://127.0.0.1:\(try site.client.port(front))", "-w", "%{http_code} %{num_connects},",
            ]
            let urls = [
                webs[0].url("1000"), webs[1].url("200000"), "http://127.0.0.1:\(closed.number)/", webs[0].url("0"),
            ]
            for (index, url) in urls.enumerated() { arguments += ["-o", "\(folder.path)/\(index)", url] }
            let outcome = try await Curl.run(arguments)
            #expect(outcome.output == "200 1,200 0,502 0,200 0,", "\(front): \(outcome.errors)")
            #expect(try contents(of: "\(folder.path)/0") == Web.content(1000))
            #expect(try contents(of: "\(folder.path)/1") == Web.content(200_000))
        }
        await site.stop()
        for web in webs { try await web.stop() }
    }

    @Test("a user who leaves while the origin is silent is told to it at once")
    func tellsTheOrigin() async throws {
        let silent = try await Server.silent()
        let site = try await Site.start(target: silent.port)
        let wire = try await Wire.connect(to: site.client.address("mixed"))
        try await wire.send(ByteBuffer(string: "GET http://127.0.0.1:\(silent.port)/ HTTP/1.0\r\n\r\n"))
        try await wire.finish()
        let (answer, end) = try await wire.readToEnd()
        #expect(String(buffer: answer).hasPrefix("HTTP/1.1 502 Empty answer\r\n"))
        #expect(end == .finished)
        wire.close()
        await site.stop()
        try await silent.stop()
    }

    @Test("a forward whose target refuses resets its user: an orderly end would be an answer")
    func resetsForward() async throws {
        let closed = try #require(ClosedPort())
        defer { withExtendedLifetime(closed) {} }
        let site = try await Site.start(target: Int(closed.number))
        do {
            let wire = try await Wire.connect(to: site.client.address("forward"))
            let (bytes, end) = try await wire.readToEnd()
            #expect(bytes.readableBytes == 0 && end == .reset)
            wire.close()
        } catch let error as IOError where error.errnoCode == ECONNRESET {
            // The reset may be there before the client has looked at its connection.
        }
        await site.stop()
    }

    @Test("a user who leaves a download has left it, and lost no tunnel") func leaves() async throws {
        let web = try await Web.start()
        let warren = try await WarrenProcess.start(
            yaml: """
                inbounds: [{ name: web, type: http, listen: "127.0.0.1:0" }]
                egress: { allow: [loopback] }
                """, in: try Folder())
        let wire = try await Wire.connect(to: warren.address("web"))
        try await wire.send(ByteBuffer(string: "GET \(web.url("held/1000000")) HTTP/1.1\r\nHost: a\r\n\r\n"))
        _ = try await wire.read(1000)
        // A plain close is a half-close where all that came has been read.
        try await wire.reset()
        #expect(await warren.program.errors.line(with: "stream inbound=web")?.contains("reason=reset") == true)
        await warren.stop()
        try await web.stop()
    }
}
