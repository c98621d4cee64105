// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

@Suite struct PublicServerTests {
    private struct Rig {
        var front: PublicServer
        var now = NIODeadline.uptimeNanoseconds(1)

        init(_ mode: PublicServer.Mode = .auto, redirects: Bool = true) {
            var configuration = PublicServer.Configuration(limits: SessionLimits())
            configuration.mode = mode
            configuration.redirects = redirects
            self.front = PublicServer(configuration, port: 8443)
            self.front.start(now: self.now)
        }

        mutating func steps() -> [SessionAction] {
            var steps: [SessionAction] = []
            while let step = self.front.next(now: self.now, writable: true) { steps.append(step) }
            return steps
        }

        mutating func say(_ bytes: ByteBuffer) -> [SessionAction] {
            self.front.receive(bytes)
            return self.steps()
        }
        mutating func say(_ text: String) -> [SessionAction] { self.say(ByteBuffer(string: text)) }
    }

    private static func opened(_ name: String, _ scheme: String) -> SessionAction {
        var request = StreamRequest(.service(name: name, port: 8443))
        request.scheme = scheme
        return .open(StreamID(0), request)
    }

    @Test("a ClientHello in pieces of any size is passed on untouched", arguments: [1, 7, 100, 5000])
    func tls(size: Int) {
        let hello = ClientHelloTests.Sample(name: "Dev.Example", padding: 1300).records(of: 500)
        var rig = Rig()
        var rest = hello
        var steps: [SessionAction] = []
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(size, rest.readableBytes)) {
            steps += rig.say(piece)
        }
        #expect(steps == [Self.opened("dev.example", "https")])
        rig.front.accept(StreamID(0))
        #expect(rig.steps() == [.handOver(StreamID(0), leftover: hello)])
    }

    @Test func httpIsToldByItsHost() {
        var rig = Rig(redirects: false)
        let request = "GET /a HTTP/1.1\r\nHost: Dev.Example:80\r\n\r\n"
        #expect(rig.say(request) == [Self.opened("dev.example", "http")])
        rig.front.accept(StreamID(0))
        #expect(rig.steps() == [.deliver(StreamID(0), ByteBuffer(string: request))])
    }

    @Test func httpIsRedirectedButForTheQuestionsOfAuthorities() {
        var rig = Rig()
        let steps = rig.say("GET /a?b HTTP/1.1\r\nHost: dev.example\r\n\r\n")
        guard case .write(let answer)? = steps.first else {
            Issue.record("no answer")
            return
        }
        #expect(String(buffer: answer).hasPrefix("HTTP/1.1 308 "))
        #expect(String(buffer: answer).contains("\r\nLocation: https://dev.example/a?b\r\n"))
        #expect(steps.last == .close(.finished))
        var other = Rig()
        let question = "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: dev.example\r\n\r\n"
        #expect(other.say(question) == [Self.opened("dev.example", "http")])
    }

    @Test("refusals are said in the visitor's words", arguments: [StreamFault.unknownHost, .unreachable, .refused])
    func refusals(fault: StreamFault) {
        let codes: [StreamFault: (alert: UInt8, status: String)] = [
            .unknownHost: (112, "404"), .unreachable: (80, "503"), .refused: (80, "502"),
        ]
        var tls = Rig()
        _ = tls.say(ClientHelloTests.Sample().records())
        tls.front.reset(StreamID(0), fault)
        let alert = ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, codes[fault]?.alert ?? 0])
        #expect(tls.steps() == [.write(alert), .close(.finished)])
        var http = Rig(redirects: false)
        _ = http.say("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        http.front.reset(StreamID(0), fault)
        guard case .write(let answer)? = http.steps().first else {
            Issue.record("no answer")
            return
        }
        #expect(String(buffer: answer).hasPrefix("HTTP/1.1 \(codes[fault]?.status ?? "") "))
        #expect(String(buffer: answer).contains("Retry-After") == (fault == .unreachable))
    }

    @Test func aSilentVisitorOfARawPortIsServedAllTheSame() {
        var rig = Rig(.tcp)
        #expect(rig.steps() == [])
        rig.now = rig.front.deadline ?? rig.now
        #expect(rig.steps() == [Self.opened("", "tcp")])
    }

    @Test(
        "a head that is too long or broken is answered, and worth a word in the log",
        arguments: [
            ("X: " + String(repeating: "y", count: 17_000), "431 Request Header Fields Too Large"),
            ("X : y", "400 Bad Request"), ("X: a\u{1}b", "400 Bad Request"), (" folded", "400 Bad Request"),
        ], [1000, 1 << 20])
    func heads(field: (line: String, status: String), step: Int) {
        var rig = Rig()
        var rest = ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a.example\r\n\(field.line)\r\n\r\n")
        var steps: [SessionAction] = []
        while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
            if rig.front.wantsBytes { steps += rig.say(piece) }
        }
        guard case .write(let answer)? = steps.first, case .close(.violation)? = steps.last else {
            Issue.record("\(steps)")
            return
        }
        #expect(String(buffer: answer).hasPrefix("HTTP/1.1 \(field.status)\r\n"))
        #expect(steps.count == 2)
    }

    @Test func aHeadOfNearly16KiBIsPassedOn() {
        var rig = Rig(redirects: false)
        let cookies = String(repeating: "c", count: 16_000)
        let steps = rig.say("GET / HTTP/1.1\r\nHost: a.example\r\nCookie: \(cookies)\r\n\r\n")
        #expect(steps == [Self.opened("a.example", "http")])
    }

    @Test("what is neither TLS nor HTTP, has no name, or stops in the middle ends at once", arguments: 0..<6)
    func strangers(number: Int) {
        let words = [
            "SSH-2.0-x\r\n", "\u{16}\u{3}\u{9}", "GET / FTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n",
        ]
        var rig = Rig()
        var steps = rig.say(words[number])
        rig.front.receiveEnd()
        steps += rig.steps()
        guard case .close? = steps.last else {
            Issue.record("still there: \(words[number])")
            return
        }
        #expect(!steps.contains { if case .open = $0 { true } else { false } })
    }

    @Test func whoSaysNothingIsLetGo() {
        var rig = Rig()
        _ = rig.say("GET / HT")
        rig.now = rig.front.deadline ?? rig.now
        #expect(rig.steps() == [.close(.timedOut(phase: "first words"))])
    }

    @Test func anyBytesEndInAtMostOneClose() {
        var random = SeededRandom(5)
        for _ in 0..<ModelRuns.count {
            var bytes = Array(
                [
                    ClientHelloTests.Sample(padding: 50).records(of: 60),
                    ByteBuffer(string: "GET /x HTTP/1.1\r\nHost: dev.example\r\nA: b\r\n\r\n"),
                ].randomElement(using: &random)?.readableBytesView ?? ByteBuffer().readableBytesView)
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            var rig = Rig([.auto, .tls, .http].randomElement(using: &random) ?? .auto)
            var steps: [SessionAction] = []
            for byte in bytes { steps += rig.say(ByteBuffer(bytes: [byte])) }
            rig.front.receiveEnd()
            steps += rig.steps()
            rig.now = rig.front.deadline ?? rig.now
            steps += rig.steps()
            let closes = steps.count { if case .close = $0 { true } else { false } }
            let opens = steps.count { if case .open = $0 { true } else { false } }
            #expect(closes + opens == 1, "\(bytes)")
        }
    }
}
