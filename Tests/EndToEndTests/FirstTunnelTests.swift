// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What somebody does first: keys, certificates, two configurations.
@Suite(.timeLimit(.minutes(1))) struct FirstTunnelTests {
    @Test func keygenTLSSaysWhichFileGoesWhereAndNeverOverwrites() async throws {
        let folder = try Folder()
        let first = try await WarrenProcess.run("keygen", "tls", "localhost", "--name", "127.0.0.1", in: folder.path)
        #expect(first.code == 0)
        for line in [
            "cert:  ./localhost.crt ", "key:   ./localhost.key ", "ca:    ./authority.crt ", "keep:  ./authority.key ",
        ] {
            #expect(first.output.contains(line), "\(line)")
        }
        let second = try await WarrenProcess.run("keygen", "tls", "localhost", in: folder.path)
        #expect(second.code == 1)
        #expect(second.errors.contains("./localhost.crt is there already"))
        let third = try await WarrenProcess.run("keygen", "tls", "laptop", in: folder.path)
        #expect(third.code == 0)
        #expect(!third.output.contains("keep:"))
    }

    @Test(
        "a tunnel in TLS with certificates of keygen tls, on both ends",
        .enabled(if: Curl.isThere, Comment(rawValue: Curl.absence)))
    func tunnelInTLS() async throws {
        let site = try await Web.start()
        let folder = try Folder()
        for arguments in [
            ["keygen", "jproxy", "alice"], ["keygen", "tls", "localhost"], ["keygen", "tls", "laptop"],
        ] {
            #expect(try await Program.run(WarrenProcess.executable, arguments, in: folder.path).code == 0)
        }
        let server = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - name: office
                    type: jproxy
                    listen: "127.0.0.1:0"
                    users: users
                    tls: { cert: localhost.crt, key: localhost.key, ca: authority.crt }
                egress: { allow: [loopback] }
                """, in: folder, name: "server")
        let client = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: browser, type: mixed, listen: "127.0.0.1:0", to: office }
                outbounds:
                  - name: office
                    type: jproxy
                    server: "localhost:\(try server.port("office"))"
                    key: key.dat
                    tls: { ca: authority.crt, cert: laptop.crt, key: laptop.key }
                """, in: folder, name: "client")
        let outcome = try await Curl.run([
            "-x", "socks5h://127.0.0.1:\(try client.port("browser"))", "http://127.0.0.1:\(site.port)/1000",
        ])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let ended = await client.stop()
        #expect(ended.errors.contains("outbound=office"))
        #expect(!ended.errors.contains("without TLS"), "\(ended.errors)")
        await server.stop()
        try await site.stop()
    }

    @Test("-c - reads the configuration from standard input; places name it")
    func configurationFromStandardInput() async throws {
        let folder = try Folder()
        let program = try WarrenProcess.executable.path
        func shell(_ line: String) async throws -> Program.Outcome {
            try await Program.run(URL(filePath: "/bin/sh"), ["-c", line], in: folder.path)
        }
        folder.write("fine", "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:0\" }]\n")
        folder.write("bad", "inbounds:\n  - { name: a, type: mixd, listen: \"127.0.0.1:0\" }\n")
        let fine = try await shell("'\(program)' check -c - < fine")
        #expect(fine.code == 0)
        #expect(fine.output == "standard input: fine\n")
        let bad = try await shell("'\(program)' check -c - < bad")
        #expect(bad.code == 1)
        #expect(bad.errors.hasPrefix("standard input:2:"))
        let nothing = try await shell("'\(program)' check -c - < /dev/null")
        #expect(nothing.code == 1)
        #expect(try await shell("'\(program)' check -c - --diff --running < fine").code == 1)
        let running = try Program.start(
            URL(filePath: "/bin/sh"), ["-c", "exec '\(program)' run -c - < fine"], in: folder.path)
        #expect(await running.errors.line(with: "ready a=127.0.0.1:") != nil)
        running.signal(SIGHUP)
        #expect(await running.errors.line(with: "there are no files to read again signal=SIGHUP") != nil)
        running.signal(SIGTERM)
        #expect(await running.outcome().code == 0)
    }

    @Test func readySaysWhichTunnelsAreNotUp() async throws {
        let folder = try Folder()
        #expect(try await WarrenProcess.run("keygen", "jproxy", "alice", in: folder.path).code == 0)
        func yaml(_ format: String) -> String {
            """
            log: { format: \(format) }
            inbounds:
              - { name: a, type: mixed, listen: "127.0.0.1:0", to: relay }
            outbounds:
              - { name: relay, type: jproxy, server: "127.0.0.1:1", key: key.dat }
            """
        }
        let text = try await WarrenProcess.start(yaml: yaml("text"), in: folder)
        let port = try text.port("a")
        let outcome = await text.stop()
        #expect(outcome.errors.contains("not up: relay\nready a=127.0.0.1:\(port)\n"))

        let file = folder.write("json.yaml", yaml("json"))
        let program = try Program.start(WarrenProcess.executable, ["run", "-c", file])
        let line = try #require(await program.errors.line(with: "\"ready\""))
        program.signal(SIGTERM)
        _ = await program.outcome()
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["message"] as? String == "ready")
        #expect((object["listening"] as? [String: String])?["a"]?.hasPrefix("127.0.0.1:") == true)
        #expect(object["notUp"] as? [String] == ["relay"])
    }

    /// Why a first tunnel is not up, and the words of docs/operating.md for it.
    private static let mistakes: [(outbound: String, reasons: [String])] = [
        ("server: \"localhost:1\", tls: { ca: authority.crt }", ["cannot connect: refused"]),
        (
            "server: SERVER, key: eve/key.dat, tls: { ca: authority.crt }", ["rejected by the peer: unknown key"]
        ),
        ("server: SERVER", ["protocol violation: bad magic in helloReply.magic"]),
        ("server: SERVER, tls: { ca: eve/authority.crt }", ["the certificate of the peer is not trusted"]),
        (
            "server: SERVER, tls: { ca: authority.crt, serverName: relay.example.net }",
            ["the certificate of the peer", " is for another name"]
        ),
    ]

    @Test func theDocumentationNamesTheReasonsOfFirstMistakes() async throws {
        let folder = try Folder()
        for arguments in [
            ["keygen", "jproxy", "alice"], ["keygen", "tls", "localhost"], ["keygen", "jproxy", "eve", "--out", "eve"],
            ["keygen", "tls", "eve", "--out", "eve"],
        ] {
            #expect(try await Program.run(WarrenProcess.executable, arguments, in: folder.path).code == 0)
        }
        let server = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - name: office
                    type: jproxy
                    listen: "127.0.0.1:0"
                    users: users
                    tls: { cert: localhost.crt, key: localhost.key }
                """, in: folder, name: "server")
        let place = "\"localhost:\(try server.port("office"))\""
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let reasonsTold = try String(contentsOf: repository.appending(path: "docs/operating.md"), encoding: .utf8)
        for (outbound, reasons) in Self.mistakes {
            let key = outbound.contains("key:") ? "" : ", key: key.dat"
            let client = try await WarrenProcess.start(
                yaml: """
                    inbounds: [{ name: browser, type: mixed, listen: "127.0.0.1:0", to: office }]
                    outbounds: [{ name: office, type: jproxy, \(outbound.replacing("SERVER", with: place))\(key) }]
                    """, in: folder, name: "client")
            let errors = await client.stop().errors
            let line = errors.split(separator: "\n").first { $0.contains("tunnel not up; trying again") } ?? ""
            for reason in reasons {
                #expect(line.contains(reason), "\(reason): \(errors)")
                #expect(reasonsTold.contains(reason), "\(reason)")
            }
            #expect(errors.contains("not up: office\n"))
        }
        await server.stop()
    }
}
