// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

/// A visitor of plain HTTP and devices, all in the hands of a test.
private struct WatchRig {
    static let stream = StreamID(0)
    var front: PublicServer
    var now = NIODeadline.uptimeNanoseconds(1)
    /// The last stream that was asked for, and for which names all of them were.
    var current = Self.stream
    var names: [String] = []
    /// Why there is no stream for a name.
    var faults: [String: StreamFault] = [:]
    /// What the devices have been given, and what the visitor.
    var delivered = ""
    var written = ""
    /// All other steps.
    var steps: [SessionAction] = []

    init(redirects: Bool = false) {
        var configuration = PublicServer.Configuration(limits: SessionLimits())
        configuration.redirects = redirects
        self.front = PublicServer(configuration, port: 80)
        self.front.start(now: self.now)
    }

    mutating func pull() {
        while let step = self.front.next(now: self.now, writable: true) {
            switch step {
            case .deliver(let stream, let bytes):
                self.delivered += String(buffer: bytes)
                self.front.consumed(bytes.readableBytes, on: stream)
            case .write(let bytes): self.written += String(buffer: bytes)
            case .open(let stream, let request): self.opened(stream, request)
            default: self.steps.append(step)
            }
        }
    }

    private mutating func opened(_ stream: StreamID, _ request: StreamRequest) {
        guard case .service(let name, _) = request.destination else { return }
        self.current = stream
        self.names.append(name)
        if let fault = self.faults[name] { self.front.reset(stream, fault) } else { self.front.accept(stream) }
    }

    /// - Parameter size: of the pieces.
    mutating func say(_ text: String, by size: Int = .max) {
        for piece in text.pieces(size) {
            self.front.receive(piece)
            self.pull()
        }
    }

    mutating func answer(_ text: String, by size: Int = .max) {
        for piece in text.pieces(size) {
            self.front.send(piece, on: self.current)
            self.pull()
        }
    }

    var isOver: Bool { if case .close? = self.steps.last { true } else { false } }
}

extension String {
    fileprivate func pieces(_ size: Int) -> [ByteBuffer] {
        var rest = ByteBuffer(string: self)
        var pieces: [ByteBuffer] = []
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(size, rest.readableBytes)) {
            pieces.append(piece)
        }
        return pieces
    }
}

@Suite struct HTTPWatchTests {
    private static func get(_ name: String, _ fields: String = "") -> String {
        "GET / HTTP/1.1\r\nHost: \(name)\r\n\(fields)\r\n"
    }
    private static let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"
    private static let chunked =
        "POST / HTTP/1.1\r\nHost: A.test:80\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "5;x=y\r\nGET /\r\n0\r\nHost: b.test\r\n\r\n"
    private static let page = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    private static let upgrade = Self.get("a.test", "Connection: Upgrade\r\nUpgrade: websocket\r\n")
    private static let ended: [SessionAction] = [.end(WatchRig.stream, nil), .close(.finished)]

    @Test("requests for one name go on as they are, in every split", arguments: 1...90)
    func passedOn(size: Int) {
        let all = Self.get("a.test") + Self.post + "\r\n" + Self.chunked + Self.get("A.TEST.", "Connection: close\r\n")
        let answers =
            Self.page + "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 No\n\n" + Self.page + "HTTP/1.1 200 OK\n\nrest"
        var rig = WatchRig()
        rig.say(all, by: size)
        rig.answer(answers, by: size)
        #expect(rig.delivered == all)
        #expect(rig.written == answers)
        #expect(rig.steps == [])
        rig.front.finish(WatchRig.stream)
        rig.pull()
        #expect(rig.steps == Self.ended)
    }

    @Test("a request for another name goes there, behind the answers that are due", arguments: 1...90)
    func anotherName(size: Int) {
        for name in ["b.test", "a.test.b", "b"] {
            let (own, request) = (Self.get("a.test") + Self.chunked, "PUT / HTTP/1.1\r\nHost: \(name)\r\n\r\n")
            var rig = WatchRig()
            rig.say(own + "\r\n" + request + Self.get("a.test"), by: size)
            #expect(rig.delivered == own && rig.names == ["a.test"])
            #expect(!rig.front.wantsBytes)
            rig.answer(Self.page, by: size)
            #expect(rig.written == Self.page && rig.steps == [])
            rig.answer(Self.page, by: size)
            #expect(rig.delivered == own + request && rig.names == ["a.test", name])
            #expect(rig.steps == [.end(StreamID(0), nil)])
            // Who had the visitor before has no more to say.
            rig.front.send(ByteBuffer(string: "x"), on: StreamID(0))
            rig.front.finish(StreamID(0))
            rig.front.reset(StreamID(0), .aborted)
            rig.answer(Self.page, by: size)
            #expect(rig.delivered == own + request + Self.get("a.test") && rig.names == ["a.test", name, "a.test"])
            rig.answer(Self.page, by: size)
            rig.say(Self.post, by: size)
            #expect(rig.delivered.hasSuffix(Self.get("a.test") + Self.post))
            #expect(rig.written == Self.page + Self.page + Self.page + Self.page)
            #expect(rig.steps == [.end(StreamID(0), nil), .end(StreamID(1), nil)])
        }
    }

    @Test("who asks for a name that nobody serves, or for none, is told so as one who has just come")
    func anotherNameOfNobody() {
        for request in [Self.get("b.test"), "GET / HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n"] {
            var rig = WatchRig()
            rig.faults = ["b.test": .unknownHost]
            rig.say(Self.get("a.test"))
            rig.answer(Self.page)
            rig.say(request)
            let told = rig.written.dropFirst(Self.page.count)
            #expect(told.hasPrefix("HTTP/1.1 404 ") && told.contains("\r\nConnection: close\r\n"))
            #expect(told.hasSuffix("\r\n\r\n") == request.hasPrefix("HEAD"))
            #expect(rig.steps == Self.ended && rig.delivered == Self.get("a.test"))
        }
    }

    @Test func nothingGoesOnBehindALastAnswer() {
        let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        let old = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        for (request, answer) in [
            (Self.get("a.test"), last), (Self.get("a.test"), old),
            (Self.get("a.test", "Connection: close\r\n"), Self.page),
        ] {
            var rig = WatchRig()
            rig.say(request + Self.get("b.test"))
            rig.answer(answer)
            #expect(rig.written == answer && rig.delivered == request && rig.names == ["a.test"])
            #expect(rig.steps == Self.ended)
        }
    }

    @Test(
        "an answer without an end that can be known goes on to its device's, whatever the visitor says next",
        arguments: [
            "no status line", "HTTP/2 200\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ],
        [Self.get("b.test"), "what is no request\r\n"])
    func answerWithoutAnEnd(beginning: String, next: String) {
        for fault: StreamFault? in [nil, .aborted] {
            var rig = WatchRig()
            rig.say(Self.get("a.test") + next)
            rig.answer(beginning)
            rig.answer(String(repeating: "x", count: 1000))
            #expect(rig.written == beginning + String(repeating: "x", count: 1000) && rig.steps == [])
            rig.answer("the rest")
            if fault == nil { rig.front.finish(WatchRig.stream) } else { rig.front.reset(WatchRig.stream, fault) }
            rig.pull()
            #expect(rig.written.hasSuffix("the rest") && rig.names == ["a.test"] && rig.isOver)
            if let fault { #expect(rig.steps == [.close(.cutOff(fault))]) }
        }
    }

    @Test func aPlaceThatClosesEndsInOrderBeforeARequestForAnotherName() {
        var rig = WatchRig()
        rig.faults = ["b.test": .shutdown]
        rig.say(Self.get("a.test") + Self.get("b.test") + Self.get("a.test"))
        rig.answer(Self.page)
        #expect(rig.written == Self.page && rig.names == ["a.test", "b.test"])
        #expect(rig.steps == Self.ended)
        var first = WatchRig()
        first.faults = ["b.test": .shutdown]
        first.say(Self.get("b.test"))
        #expect(first.written.hasPrefix("HTTP/1.1 503 "))
    }

    @Test func aVisitorWhoHasFinishedIsTakenToAnotherNameToo() {
        var rig = WatchRig()
        rig.say(Self.get("a.test") + Self.get("b.test"))
        rig.front.receiveEnd()
        rig.pull()
        #expect(rig.steps == [])
        rig.answer(Self.page)
        #expect(rig.names == ["a.test", "b.test"])
        #expect(rig.steps == [.end(StreamID(0), nil), .finish(StreamID(1))])
    }

    @Test("behind a 101 and a CONNECT bytes are bytes", arguments: 1...40)
    func switched(size: Int) {
        let connect = "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n"
        for (request, answer) in [
            (Self.upgrade, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
            (connect, "HTTP/1.1 200 OK\r\n\r\n"),
        ] {
            var rig = WatchRig()
            rig.say(Self.get("a.test") + request + "early", by: size)
            #expect(rig.delivered == Self.get("a.test") + request)
            rig.answer(Self.page + answer, by: size)
            #expect(rig.written == Self.page + answer)
            #expect(rig.steps == [.handOver(WatchRig.stream, leftover: ByteBuffer(string: "early"))])
        }
    }

    @Test func anUpgradeThatIsRefusedIsFollowedByRequests() {
        var rig = WatchRig()
        rig.say(Self.upgrade + Self.get("a.test") + Self.get("b.test"))
        #expect(rig.delivered == Self.upgrade)
        rig.answer(Self.page)
        #expect(rig.delivered == Self.upgrade + Self.get("a.test"))
        rig.answer(Self.page)
        #expect(rig.delivered == Self.upgrade + Self.get("a.test") + Self.get("b.test"))
        #expect(rig.names == ["a.test", "b.test"])
    }

    @Test(
        "what is no HTTP behind a first request is not passed on",
        arguments: [
            "\u{1}\u{2}", "SSH-2.0-x\r\n", "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\nX : y\r\n\r\n",
            "GET / HTTP/1.1\nHost: a.test\n\n", "GET / HTTP/1.1\r\nX: " + String(repeating: "y", count: 20_000),
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ], [1, .max])
    func noRequest(text: String, size: Int) {
        var rig = WatchRig()
        rig.say(Self.get("a.test"))
        rig.say(text, by: size)
        #expect(rig.delivered == Self.get("a.test"))
        rig.answer(Self.page)
        #expect(rig.written.dropFirst(Self.page.count).hasPrefix("HTTP/1.1 4"))
        guard case .close(.violation)? = rig.steps.last else {
            Issue.record("\(rig.steps)")
            return
        }
    }

    @Test func aFirstRequestWithTwoEndsIsRefused() {
        var rig = WatchRig()
        rig.say("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
        #expect(rig.written.hasPrefix("HTTP/1.1 400 ") && rig.isOver && rig.delivered == "")
    }

    @Test func aBrokenBodyEndsAtOnce() {
        var rig = WatchRig()
        rig.say("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nxyz")
        #expect(rig.written.hasPrefix("HTTP/1.1 400 "))
        #expect(rig.steps.first == .end(WatchRig.stream, .aborted) && rig.isOver)
    }

    @Test func theEndOfEitherSideIsPassedOn() {
        var rig = WatchRig()
        rig.say(Self.get("a.test"))
        rig.front.receiveEnd()
        rig.pull()
        #expect(rig.steps == [.finish(WatchRig.stream)])
        rig.answer("no HTTP at all")
        #expect(rig.written == "no HTTP at all")
        rig.front.finish(WatchRig.stream)
        rig.pull()
        #expect(rig.steps.suffix(2) == Self.ended[...])
    }

    @Test func anEarlyAnswerLeavesTheBodyItsWay() {
        var rig = WatchRig()
        rig.say("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nab")
        rig.answer(Self.page)
        rig.front.finish(WatchRig.stream)
        rig.pull()
        #expect(rig.steps == [])
        rig.say("cd")
        #expect(rig.delivered.hasSuffix("abcd"))
        #expect(rig.steps == Self.ended)
    }

    @Test func aDeviceThatIsGoneEndsTheConnection() {
        for (fault, reason) in [(StreamFault?.none, CloseReason.finished), (.sessionLost, .cutOff(.sessionLost))] {
            var rig = WatchRig()
            rig.say(Self.get("a.test"))
            rig.answer(Self.page)
            rig.say(Self.get("a.test"))
            rig.front.reset(WatchRig.stream, fault)
            rig.pull()
            #expect(rig.written == Self.page && rig.steps == [.close(reason)])
        }
    }

    @Test("who has no byte of an answer is told what has become of it, and of half an answer nothing")
    func aDeviceThatCannotAnswer() {
        let codes: [(StreamFault, String)] = [
            (.refused, "502"), (.unreachable, "502"), (.aborted, "502"), (.failed, "502"), (.timedOut, "504"),
            (.sessionLost, "503"), (.notAllowed, "404"),
        ]
        for (fault, code) in codes {
            for method in ["GET", "HEAD"] {
                var rig = WatchRig()
                rig.say("\(method) / HTTP/1.1\r\nHost: a.test\r\n\r\n")
                rig.front.reset(WatchRig.stream, fault)
                rig.pull()
                #expect(rig.written.hasPrefix("HTTP/1.1 \(code) ") && rig.written.contains("\r\nConnection: close\r\n"))
                #expect(rig.written.hasSuffix("\r\n\r\n") == (method == "HEAD"))
                #expect(rig.steps == [.close(.finished)])
            }
            let page = Self.page
            let heads = [page.prefix(1), page.prefix(30), page.dropLast()].map { String($0) }
            for part in heads + ["HTTP/1.1 100 Continue\r\n\r\n"] {
                var rig = WatchRig()
                rig.say(Self.get("a.test"))
                rig.answer(part)
                rig.front.reset(WatchRig.stream, fault)
                rig.pull()
                #expect(part.hasPrefix(rig.written) && rig.steps == [.close(.cutOff(fault))])
            }
        }
    }

    @Test func theDeviceOfAnotherNameThatCannotAnswerIsToldOfToo() {
        var rig = WatchRig()
        rig.say(Self.get("a.test"))
        rig.answer(Self.page)
        rig.say("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 100\r\n\r\nabc")
        rig.front.reset(rig.current, .refused)
        rig.pull()
        #expect(rig.written.dropFirst(Self.page.count).hasPrefix("HTTP/1.1 502 "))
        #expect(rig.steps == [.end(StreamID(0), nil), .close(.finished)])
    }

    @Test func questionsOfAuthoritiesAreNotFollowedByOtherRequests() {
        let question = "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a.test\r\n\r\n"
        var rig = WatchRig(redirects: true)
        rig.say(question + question + Self.get("a.test"))
        #expect(rig.delivered == question + question)
        rig.answer(Self.page + Self.page)
        #expect(rig.written.contains("HTTP/1.1 308 ") && rig.steps == Self.ended)
        rig = WatchRig(redirects: true)
        rig.say(question)
        rig.answer(Self.page)
        rig.say(Self.get("b.test"))
        #expect(rig.written.contains("\r\nLocation: https://b.test/\r\n") && rig.steps == Self.ended)
    }

    @Test func requestsWithoutAnswersAreBounded() {
        var rig = WatchRig()
        let all = String(repeating: Self.get("a.test"), count: 2000)
        for piece in all.pieces(4096) where rig.front.wantsBytes {
            rig.front.receive(piece)
            rig.pull()
        }
        #expect(rig.delivered.count == HTTPAnswerWatch.mostDue * Self.get("a.test").count)
        #expect(!rig.front.wantsBytes)
        rig.answer(Self.page)
        #expect(rig.delivered.count == (HTTPAnswerWatch.mostDue + 1) * Self.get("a.test").count)
    }

    @Test func aReaderThatStopsStopsTheDevice() {
        var rig = WatchRig()
        rig.say(Self.get("a.test"))
        rig.front.send(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\n"), on: WatchRig.stream)
        rig.front.send(ByteBuffer(repeating: 65, count: SessionLimits().queuedPerStream), on: WatchRig.stream)
        #expect(rig.front.next(now: rig.now, writable: false) == .pause(WatchRig.stream))
        #expect(rig.front.next(now: rig.now, writable: false) == nil)
        rig.pull()
        #expect(rig.steps == [.resume(WatchRig.stream)])
    }

    @Test("a later head that does not come to its end in time gets 408, behind the answers that are due")
    func slowHead() {
        var rig = WatchRig()
        rig.say("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        #expect(rig.front.deadline == nil)
        rig.say("GET /x HTTP/1.1\r\nHo")
        let deadline = rig.front.deadline
        #expect(deadline == rig.now + SessionLimits().handshake)
        // Further bytes are no reason to wait longer; a whole head is.
        rig.now = rig.now + .seconds(1)
        rig.say("st: a.test")
        #expect(rig.front.deadline == deadline)
        rig.say("\r\n\r\nGET /y")
        #expect(rig.front.deadline == rig.now + SessionLimits().handshake)
        rig.now = rig.front.deadline ?? rig.now
        rig.pull()
        #expect(rig.written.isEmpty && rig.front.deadline == nil)
        for _ in 0..<2 { rig.answer("HTTP/1.1 204 No Content\r\n\r\n") }
        let answers = rig.written.split(separator: "HTTP/1.1 ").map { $0.prefix(3) }
        #expect(answers == ["204", "204", "408"])
        #expect(rig.isOver && !rig.delivered.contains("/y"))
    }
}

/// Random connections, cut anywhere, with answers that come at any moment after their requests.
@Suite struct HTTPWatchModelTests {
    private static func request(_ name: String, _ random: inout SeededRandom) -> String {
        let filling = String(
            repeating: "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", count: Int.random(in: 0...3, using: &random))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return "GET /x HTTP/1.1\r\nHost: \(name)\r\n\r\n"
        case 1: return "\r\nOPTIONS * HTTP/1.1\r\nhost:\(name):8080\r\nA: b\r\n\r\n"
        case 2: return "POST / HTTP/1.1\r\nHost: \(name)\r\nContent-Length: \(filling.utf8.count)\r\n\r\n\(filling)"
        default:
            let chunk = filling.isEmpty ? "" : "\(String(filling.utf8.count, radix: 16))\r\n\(filling)\r\n"
            return "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: \(name)\r\n\r\n\(chunk)0\r\nT: t\r\n\r\n"
        }
    }

    private static func answer(_ random: inout SeededRandom) -> String {
        let text = String(repeating: "HTTP/1.1 101 x\r\n\r\n", count: Int.random(in: 0...3, using: &random))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"
        case 1: return "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
        case 2: return "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200\r\nContent-Length: 1\r\n\r\n!"
        default:
            let chunk = text.isEmpty ? "" : "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n"
            return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(chunk)0\r\n\r\n"
        }
    }

    @Test(arguments: ModelRuns.seeds) func anyCut(seed: UInt64) {
        var random = SeededRandom(seed)
        var (raw, whole, answers, ends, names) = ("", "", "", [Int](), [String]())
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            let name = ["a.test", "A.Test", "b.test", "a.tes", "x.a.test"].randomElement(using: &random) ?? ""
            var request = Self.request(name, &random)
            if names.isEmpty { request = request.withoutEmptyLines }
            raw += request
            // Empty lines before a request are left out where it goes to somebody else.
            whole += names.last == name.lowercased() ? request : request.withoutEmptyLines
            if names.last != name.lowercased() { names.append(name.lowercased()) }
            ends.append(whole.utf8.count)
        }
        let replies = ends.map { _ in Self.answer(&random) }
        var said = ByteBuffer(string: raw)
        var device = ByteBuffer()
        var rig = WatchRig()
        var answered = 0
        for _ in 0..<100_000 where rig.written.utf8.count < answers.utf8.count || answered < ends.count {
            let size = min(said.readableBytes, Int.random(in: 0...60, using: &random))
            if rig.front.wantsBytes, size > 0, let piece = said.readSlice(length: size) {
                rig.front.receive(piece)
                rig.pull()
            }
            if device.readableBytes > 0, Bool.random(using: &random) {
                let count = Int.random(in: 1...device.readableBytes, using: &random)
                if let piece = device.readSlice(length: count) { rig.front.send(piece, on: rig.current) }
                rig.pull()
            }
            while answered < ends.count, rig.delivered.utf8.count >= ends[answered] {
                device.writeString(replies[answered])
                answers += replies[answered]
                answered += 1
            }
        }
        #expect(rig.delivered == whole)
        #expect(rig.written == answers)
        #expect(rig.names == names && !rig.isOver)
    }
}

extension String {
    fileprivate var withoutEmptyLines: String {
        var rest = self[...]
        while rest.hasPrefix("\r\n") { rest = rest.dropFirst() }
        return String(rest)
    }
}
