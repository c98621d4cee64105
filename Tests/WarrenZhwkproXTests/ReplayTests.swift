// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// The recorded sessions of deployed peers, played again: a deployed peer sees the bytes that it knows, whether the
/// extension is on or off, but for those that are random, and for the faults that are not repeated.
@Suite("zhwkproX recorded sessions")
struct ReplayTests {
    typealias Exit = Harness<ZhwkproX.ExitMachine>
    typealias Inter = Harness<ZhwkproX.InterMachine>

    /// Our challenge instead of the recorded constant, with the recorded suffix.
    static func logIn(_ extensionIsOn: Bool) throws -> Exit {
        var (exit, challenge) = try Exit.asking(.init(pieces: 100 << 10, gap: .zero, usesExtension: extensionIsOn))
        let actions = exit.receive(Exit.proof(challenge, Array("fake rand strings".utf8)))
        #expect(actions == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready])
        return exit
    }

    // MARK: Exit

    /// The recorded destinations: an echo that knows two words, one that speaks first, and none on port 18099.
    static func serve(_ actions: [SessionAction], _ exit: inout Exit) -> ByteBuffer {
        var written = actions.written
        for action in actions {
            switch action {
            case .open(let stream, let request):
                guard case .host(_, let port, .tcp) = request.destination else { continue }
                if port == 18099 { exit.machine.reset(stream, .refused) } else { exit.machine.accept(stream) }
                if port == 18091 { exit.machine.send(ByteBuffer(string: "220 hello first\r\n"), on: stream) }
            case .deliver(let stream, let bytes):
                switch String(buffer: bytes) {
                case "BULK 5000\n":
                    let bulk = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
                    exit.machine.send(ByteBuffer(bytes: bulk), on: stream)
                case "BYE\n":
                    exit.machine.send(ByteBuffer(string: "bye\n"), on: stream)
                    exit.machine.finish(stream)
                default: exit.machine.send(bytes, on: stream)
                }
            default: continue
            }
            written.writeImmutableBuffer(Self.serve(exit.drain(), &exit))
        }
        return written
    }

    @Test("an exit answers as the deployed one, in order, and refuses with a word", arguments: [true, false])
    func serverSession(extensionIsOn: Bool) throws {
        var exit = try Self.logIn(extensionIsOn)
        let messages = try Recording.load("server-session").messages.dropFirst(5)
        var rest = messages[...]
        var requests = 0
        while let request = rest.popFirst() {
            #expect(request.dir == "inter->server")
            var replies: [Recording.Entry] = []
            while rest.first?.dir == "server->inter", let reply = rest.popFirst() { replies.append(reply) }
            // The recorded end has overtaken data, and nothing was said of a refusal.
            var expected = (replies.filter { $0.dlen != 0 } + replies.filter { $0.dlen == 0 })
                .reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1.bytes) }
            if request.what == "GET request to a refused port" { expected = ByteBuffer(hex: "047f00000146b300000000") }
            #expect(Self.serve(exit.receive(request.bytes), &exit) == expected, "\(request.what ?? "")")
            requests += 1
        }
        #expect(requests == 7)
    }

    @Test("a GET that came in two segments is whole", arguments: [true, false])
    func splitGet(extensionIsOn: Bool) throws {
        var exit = try Self.logIn(extensionIsOn)
        let requests = try Recording.load("server-split-get").messages.filter { $0.what?.hasPrefix("GET ") == true }
        let whole = ByteBuffer(bytes: requests[0].bytes.array + requests[1].bytes.array)
        var written = Self.serve(exit.receive(requests[0].bytes), &exit)
        written.writeImmutableBuffer(Self.serve(exit.receive(requests[1].bytes), &exit))
        #expect(written == whole)  // the recorded answer ends in zeros
    }

    @Test(
        "a rejecting exit says nothing",
        arguments: ["server-rejects-auth", "server-rejects-version", "server-short-auth-panic"])
    func rejections(name: String) throws {
        for extensionIsOn in [true, false] {
            var exit = Harness(ZhwkproX.ExitMachine(.init(gap: .zero, usesExtension: extensionIsOn)))
            var actions = exit.drain()
            var asked: [UInt8] = []
            for entry in try Recording.load(name).messages where entry.dir == "inter->server" {
                let answer = exit.receive(entry.bytes)
                actions += answer
                if entry.what == "handshake_reply" { asked = answer.written.array }
            }
            actions += exit.after(AuthReply.grace)
            #expect(actions.written.array == [0x80, 1, 0] + asked)
            guard case .close(let reason)? = actions.last else {
                Issue.record("not closed: \(actions)")
                continue
            }
            let expected: [String: CloseReason] = [
                "server-rejects-auth": .denied,
                "server-rejects-version": .violation(WireError(.badMagic, in: "version")),
                "server-short-auth-panic": .violation(WireError(.tooShort, in: "auth.reply")),
            ]
            #expect(reason == expected[name])
        }
    }

    @Test("the pair's exit, with its idle time", arguments: [true, false])
    func realPairExit(extensionIsOn: Bool) throws {
        var exit = try Self.logIn(extensionIsOn)
        let messages = try Recording.load("session-real-pair").messages.dropFirst(5)
        for entry in messages where entry.dir == "inter->server" {
            let actions = exit.receive(entry.bytes)
            guard case .open(let stream, let request)? = actions.first else {
                Issue.record("not opened: \(actions)")
                return
            }
            exit.machine.accept(stream)
            #expect(exit.drain().delivered(stream) == ByteBuffer(hex: entry.plaintext ?? ""))
            if request.destination == .tcp(.address(IPAddress(v4: 0x7F00_0001)), port: 18080) {
                let answer = messages.first { $0.dlen == 186 }
                exit.machine.send(ByteBuffer(hex: answer?.plaintext ?? ""), on: stream)
                exit.machine.send(ByteBuffer(string: "hello from origin\n"), on: stream)
                exit.machine.finish(stream)
                let data = ByteBuffer(hex: (answer?.plaintext ?? "") + ByteBuffer(string: "hello from origin\n").hex)
                #expect(
                    try exit.drain().incoming()
                        == [.get(Self.origin, data), .get(Self.origin, ByteBuffer())])
            } else {
                exit.machine.send(ByteBuffer(string: "hello zhwk\n"), on: stream)
                #expect(exit.drain().written == messages.last { $0.dlen == 11 }?.bytes)
                #expect(exit.after(.seconds(20)).written == messages.last?.bytes)
            }
        }
    }

    static let origin = ZhwkproX.StreamAddress(address: IPAddress(v4: 0x7F00_0001), port: 18080)

    // MARK: Inter-server

    @Test("an inter-server speaks as the deployed one, and a verdict of 00 is the end", arguments: [true, false])
    func interSession(extensionIsOn: Bool) throws {
        let messages = try Recording.load("inter-session").messages
        // The recorded requests are as long as the user's writes, and so are these.
        let configuration = ZhwkproX.InterConfiguration(pieces: 5011, gap: .zero, usesExtension: extensionIsOn)
        for first in [0, 10] {
            var inter = Harness(ZhwkproX.InterMachine(configuration))
            #expect(inter.receive(messages[first].bytes).written == messages[first + 1].bytes)
            let answer = inter.receive(messages[first + 2].bytes).written.array
            let challenge = messages[first + 2].bytes.array.dropFirst()
            #expect(Bytes.cipher.decrypted(Array(answer.dropFirst())).starts(with: challenge))
            var refused = inter
            #expect(refused.receive(messages[4].bytes) == [.close(.rejected("wrong key"))])
            #expect(inter.receive(hex: "01") == [.isolateWrites, .ready])
            try Self.replay(messages[(first == 0 ? 6 : 15)...(first == 0 ? 9 : 15)], &inter)
        }
    }

    static func replay(_ messages: ArraySlice<Recording.Entry>, _ inter: inout Inter) throws {
        let endpoint = ZhwkproX.StreamAddress(address: IPAddress(v4: 0x7F00_0001), port: 18090)
        let stream = try inter.machine.open(Bytes.request(endpoint), now: inter.now)
        for entry in messages {
            let plain = ByteBuffer(hex: entry.plaintext ?? "")
            if entry.dir.hasPrefix("inter->") {
                inter.machine.send(plain, on: stream)
                #expect(inter.drain().written == entry.bytes)
            } else if plain.readableBytes > 0 {
                #expect(inter.receive(entry.bytes) == [.deliver(stream, plain)])
            } else {
                #expect(inter.receive(entry.bytes) == [])
                #expect(inter.after(.milliseconds(150)) == [.end(stream, nil)])
            }
        }
    }

    @Test("a browser on the exits' port is turned away", arguments: [true, false])
    func browserAtTheWrongDoor(extensionIsOn: Bool) throws {
        let messages = try Recording.load("inter-socks-no-noauth").messages
        var inter = Harness(ZhwkproX.InterMachine(.init(gap: .zero, usesExtension: extensionIsOn)))
        let actions = inter.receive(messages[0].bytes)
        #expect(actions == [.close(.violation(WireError(.badMagic, in: "hello.version")))])
        #expect(inter.receive(messages[2].bytes) == [])  // a deployed one starts again on the same carrier
    }

    /// The deployed exit re-orders data and end; two users follow each other to one destination.
    @Test("the pair's inter-server loses nothing to the exit's re-ordering", arguments: [true, false])
    func realPairInter(extensionIsOn: Bool) throws {
        let messages = try Recording.load("session-real-pair").messages.dropFirst(5)
        var inter = Inter.loggedIn(.init(gap: .zero, usesExtension: extensionIsOn))
        var streams: [StreamID] = []
        var received: [StreamID: ByteBuffer] = [:]
        var ends: [StreamID: StreamFault?] = [:]
        func take(_ actions: [SessionAction]) {
            for action in actions {
                if case .deliver(let stream, let bytes) = action {
                    received[stream, default: ByteBuffer()].writeImmutableBuffer(bytes)
                }
                if case .end(let stream, let fault) = action { ends[stream] = fault }
            }
        }
        for entry in messages {
            guard entry.dir == "inter->server" else {
                take(inter.receive(entry.bytes))
                continue
            }
            let address = try #require(IPAddress(entry.addr ?? ""))
            let request = StreamRequest(.tcp(.address(address), port: entry.port ?? 0))
            let stream = try inter.machine.open(request, now: inter.now)
            inter.machine.send(ByteBuffer(hex: entry.plaintext ?? ""), on: stream)
            var actions = inter.drain()
            if actions.isEmpty { actions = inter.after(.milliseconds(150)) }  // the one before has just ended
            take(actions)
            #expect(actions.written == entry.bytes)
            streams.append(stream)
        }
        take(inter.after(.milliseconds(150)))
        let page = messages.first { $0.dlen == 186 }?.plaintext ?? ""
        let whole = ByteBuffer(hex: page + ByteBuffer(string: "hello from origin\n").hex)
        #expect(streams.map { received[$0] }.prefix(1) == [whole])
        #expect(received[streams[1]]?.readableBytes == whole.readableBytes)
        #expect(received[streams[2]] == ByteBuffer(string: "hello zhwk\n"))
        #expect(ends == [streams[0]: nil, streams[1]: nil, streams[2]: nil])
    }
}
