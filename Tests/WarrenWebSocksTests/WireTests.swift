// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenWebSocks

@Suite("WebSocks wire") struct WireTests {
    @Test func digestsAreTheRecordedOnes() throws {
        for vector in try AuthVectors.load().derived {
            let secret = WebSocks.Digest.secret(password: vector.password)
            let digest = WebSocks.Digest.digest(secret: secret, minute: vector.minute)
            #expect(String(decoding: digest, as: UTF8.self) == vector.digest)
            let value = String(vector.header.dropFirst("Authorization: ".count))
            #expect(Claim(websocks: value, .deployed) == Claim(identity: Array("alice".utf8), proof: digest))
        }
    }

    @Test func theRecordedUserIsLetInForThreeMinutes() throws {
        let captured = try AuthVectors.load().captured
        let value = String(captured.header.dropFirst("Authorization: ".count))
        let claim = try #require(Claim(websocks: value, .deployed))
        let secrets = WebSocks.Secrets(passwords: [captured.user: captured.password])
        for (offset, isIn) in [(-60_001, false), (-60_000, true), (0, true), (119_999, true), (120_000, false)] {
            let verdict = secrets.verdict(on: claim, at: captured.minute + Int64(offset))
            #expect((verdict == .accepted(name: "alice")) == isIn, "\(offset)")
        }
        let stranger = Claim(identity: Array("bob".utf8), proof: claim.proof)
        #expect(secrets.verdict(on: stranger, at: captured.minute) == .denied)
        let none = Claim(identity: claim.identity, proof: [])
        #expect(secrets.verdict(on: none, at: captured.minute) == .denied)
    }

    @Test func nobodyIsLetInByTheSecretOfNobody() {
        let proof = WebSocks.Digest.digest(secret: WebSocks.Digest.secret(password: ""), minute: minute)
        #expect(secrets.verdict(on: Claim(identity: Array("bob".utf8), proof: proof), at: minute) == .denied)
    }

    @Test func acceptIsTheRecordedOne() throws {
        let vector = try AuthVectors.load().wsAccept
        #expect(WebSocks.Upgrade.key == vector.key)
        #expect(WebSocks.Upgrade.accept(vector.key) == vector.accept)
    }

    @Test func requestsAreTheRecordedOnes() throws {
        let recordings = try Recording.all()
        #expect(recordings.count >= 3)
        for recording in recordings {
            let request = try #require(recording.fromAgent.first)
            let lines = text(request).components(separatedBy: "\r\n")
            let host = try #require(lines.first { $0.hasPrefix("Host: ") }?.dropFirst(6))
            let login = try #require(lines.first { $0.hasPrefix("Authorization: ") }?.dropFirst(15))
            let claim = try #require(Claim(websocks: String(login), .deployed))
            var bytes = ByteBuffer()
            try bytes.writeWebSocksUpgrade(
                .init(host: String(host), user: String(decoding: claim.identity, as: UTF8.self), digest: claim.proof))
            #expect(bytes == request)
        }
    }

    @Test func answersAreReadHoweverTheyAreCut() throws {
        let answer = try #require(try Recording.all().first?.fromServer.first)
        for chunks in Chunks.everySplit(of: answer) {
            var (input, scan) = (ByteBuffer(), HTTPHeadScan.webSocks)
            var status: Int?
            for chunk in chunks {
                #expect(status == nil)
                input.writeImmutableBuffer(chunk)
                status = try input.readWebSocksAnswer(&scan, .deployed)
            }
            #expect(status == 101 && input.readableBytes == 0)
        }
    }

    @Test func theAnswerIsTheRecordedOneWithItsDate() throws {
        let recorded = text(try #require(try Recording.all().first?.fromServer.first))
        let lines = recorded.components(separatedBy: "\r\n")
        let date = try #require(lines.first { $0.hasPrefix("Date: ") })
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "EEE MMM dd HH:mm:ss zzz yyyy"
        let moment = try #require(formatter.date(from: String(date.dropFirst(6)))).timeIntervalSince1970
        let configuration = WebSocks.ServerConfiguration(product: "vproxy/1.0.0-BETA-12-dev") { Int64(moment) * 1000 }
        #expect(text(configuration.bytes(.upgraded(accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))) == recorded)
    }

    @Test(
        arguments: [
            (0, "Thu Jan 01 00:00:00 UTC 1970"), (951_782_400, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_795_245_060, "Sat Nov 21 07:11:00 UTC 2026"), (4_107_542_399, "Sun Feb 28 23:59:59 UTC 2100"),
        ] as [(Int64, String)])
    func datesAreThoseOfJava(seconds: Int64, expected: String) {
        #expect(WebSocks.ServerDate.text(seconds * 1000) == expected)
    }

    @Test func framesAreCountedAndPongsTakenOff() throws {
        var bytes = ByteBuffer(hex: "8a00 8a00 827f0000000000000003 05")
        #expect(try bytes.readWebSocksFrame() == .pong)
        #expect(try bytes.readWebSocksFrame() == .pong)
        #expect(try bytes.readWebSocksFrame() == .frame)
        #expect(bytes.array == [5])
        #expect(try bytes.readWebSocksFrame() == nil)
        var bad = ByteBuffer(hex: "8a01")
        #expect(throws: WireError(.badValue, in: "pong")) { try bad.readWebSocksFrame() }
    }

    @Test(arguments: ["127.0.0.1", "2001:db8::7", "example.net"]) func requestsOfSOCKSGoBothWays(host: String) throws {
        var whole = try #require(SOCKS5.request(.tcp(Host(host), port: 18790)))
        for length in 0..<whole.readableBytes {
            var part = whole.getSlice(at: 0, length: length) ?? ByteBuffer()
            #expect(try part.readSOCKS5Request() == nil)
            #expect(part.readableBytes == length)
        }
        #expect(try whole.readSOCKS5Request() == .connect(Host(host), port: 18790))
        for name in [String(repeating: "a", count: 256), ""] {
            #expect(SOCKS5.request(.tcp(.name(name), port: 1)) == nil)
        }
    }

    @Test func repliesOfSOCKSGoBothWays() throws {
        for reply in SOCKS5.Reply.allCases {
            var bytes = ByteBuffer()
            bytes.writeSOCKS5Reply(reply, port: 18790)
            #expect(bytes.readableBytes == 10)
            #expect(try bytes.readSOCKS5Reply() == reply)
        }
        for fault in StreamFault.allCases {
            let reply = SOCKS5.Reply(fault)
            #expect(reply.fault(reaching: .tcp(Host("example.net"), port: 1)) != nil)
        }
    }

    @Test func whatIsNoFieldValueIsNeverWritten() {
        for (host, user) in [("a\r\nb", "u"), ("", "u"), ("h", "a:b"), ("h", "")] {
            var bytes = ByteBuffer()
            #expect(throws: WireError.self) {
                try bytes.writeWebSocksUpgrade(.init(host: host, user: user, digest: []))
            }
            #expect(bytes.readableBytes == 0)
        }
    }

    @Test func hostFieldsAreThoseOfDeployedAgents() throws {
        typealias Configuration = WebSocks.ClientConfiguration
        #expect(Configuration.freshHost(try #require(IPAddress("192.0.2.1")), port: 443) == "192.0.2.1:443")
        #expect(Configuration.freshHost(try #require(IPAddress("2001:db8::1")), port: 443) == "[2001:db8::1]:443")
        #expect(Configuration.pooledHost(Host("example.net")) == "example.net")
        #expect(Configuration.pooledHost(Host("192.0.2.1")) == "null")
    }
}
