// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// What hand-made peers did to deployed ones, done to ours: the same answers, but where ours are better.
@Suite struct ProbeTests {
    /// The words that an end says of its own accord, not for whoever uses the streams.
    enum Word: Hashable {
        case handshake
        case open(UInt32)
        case reset(UInt32)
        case pong(UInt64)
        case shutdown

        init?(_ incoming: VProxy.Incoming) {
            switch incoming {
            case .handshake: self = .handshake
            case .open(let id, _): self = .open(id)
            case .reset(let id): self = .reset(id)
            case .pong(let number, _): self = .pong(number)
            case .shutdown: self = .shutdown
            case .data, .finish, .ping, .extended: return nil
            }
        }

        static func all(_ bytes: ByteBuffer) throws -> [Word] {
            var reader = FrameReader(.deployed, mostInflated: 1 << 20)
            reader.receive(bytes)
            var words: [Word] = []
            while let incoming = try reader.next() { if let word = Word(incoming) { words.append(word) } }
            return words
        }
    }

    /// Where we answer otherwise, and what.
    private static let better: [String: [Word]] = [
        // The SYN is read at once.
        "syn_with_settings": [.handshake, .open(1), .pong(77)],
        // A datagram of another conversation harms nobody.
        "wrong_conv": [.handshake, .pong(6)],
    ]

    /// Payload that reaches the target; deployed servers lose that of the last one.
    private static let payload = [
        "psh_fin": "AFTERFIN pf\npayload", "data_unknown": "", "rst": "ECHO r\nx", "zero_rtt": "ECHO z\nzero",
        "half_close_server_first_slow": "CLOSEFIRST s1\ntail1",
        "half_close_server_first_pshfin": "CLOSEFIRST s3\ntail3",
    ]

    @Test func ourServerAnswersLikeADeployedOne() throws {
        let probes: [Probe] = try Fixture.load("probe_upstream_server")
        #expect(probes.count >= 22)
        for probe in probes {
            let name = probe.name ?? ""
            var server = Server(VProxy.ServerMachine(.plain))
            var (theirs, actions) = (ByteBuffer(), [SessionAction]())
            for event in probe.events {
                switch event {
                case .sent(let bytes):
                    let answer = server.receive(bytes)
                    for case .open(let id, _) in answer { server.machine.accept(id) }
                    actions += answer + server.drain()
                case .answered(let frame):
                    theirs.writeImmutableBuffer(ByteBuffer(hex: frame.headerHex + frame.payloadHex))
                    switch frame.meaning {
                    case "PSH", "PSH(gzip)": server.machine.send(frame.plain, on: StreamID(frame.streamId))
                    case "FIN": server.machine.finish(StreamID(frame.streamId))
                    default: break
                    }
                    actions += server.drain() + server.after(.milliseconds(60))
                }
            }
            let expected = try Self.better[name] ?? Word.all(theirs)
            #expect(try Word.all(actions.written) == expected, "\(name)")
            if let text = Self.payload[name] { #expect(String(buffer: actions.delivered(1)) == text, "\(name)") }
        }
    }

    @Test func ourClientAnswersLikeADeployedOne() throws {
        struct Probes: Decodable { var sessions: [Probe] }
        let probes = try Fixture.load("probe_upstream_client", as: Probes.self).sessions
        #expect(probes.count == 6)
        for (index, probe) in probes.enumerated() {
            var client = Client(VProxy.ClientMachine(.plain))
            var actions = client.drain()
            var theirs = ByteBuffer()
            for event in probe.events {
                switch event {
                case .sent(let bytes): actions += client.receive(bytes)
                case .answered(let frame):
                    theirs.writeImmutableBuffer(ByteBuffer(hex: frame.headerHex + frame.payloadHex))
                    let id = StreamID(frame.streamId)
                    switch frame.meaning {
                    case "SYN": #expect(try client.machine.open(fixed, now: client.now) == id)
                    case "PSH": client.machine.send(frame.plain, on: id)
                    case "FIN": client.machine.finish(id)
                    default: break
                    }
                    actions += client.drain() + client.after(.milliseconds(60))
                }
            }
            let ours = try Word.all(actions.written)
            // Deployed clients misread a number with a byte above 7F, and give back another one.
            let expected = try Word.all(theirs).map { $0 == .pong(0xFFFF_FFD2) ? .pong(1234) : $0 }
            #expect(ours == expected, "session \(index)")
            guard index == 0 else { continue }
            // What came behind our end, and before the answer to the SYN; a SYN that is answered by an end is refused.
            #expect(actions.delivered(1) == ByteBuffer(string: "replyafterfin"))
            #expect(actions.delivered(3) == ByteBuffer(string: "afterfin"))
            #expect(actions.delivered(11) == ByteBuffer(string: "too early"))
            #expect(actions.others.contains(.end(StreamID(7), .refused)))
            #expect(
                actions.others.last == .close(.carrierLost("the peer shut the tunnel down: server shutdown reason")))
        }
    }

    @Test func aPeerThatAnswersNoPINGIsAskedAtTheSameTimeAndLeftLaterWithTheSameWords() throws {
        let runs: [String: Timers] = try Fixture.load("probe_upstream_server_timers")
        let frames = try #require(runs["no_ping_reply"]?.frames)
        #expect(frames.map(\.meaning) == ["HANDSHAKE-ACK", "KEEPALIVE", "SHUTDOWN"])
        var server = Server(VProxy.ServerMachine(.plain))
        var written = server.receive(settings).written
        #expect(server.over(.milliseconds(29_999)) == [])
        written.writeImmutableBuffer(server.over(.milliseconds(1)).written)
        #expect(written == frames.prefix(2).reduce(ByteBuffer()) { $0 + ByteBuffer(hex: $1.headerHex + $1.payloadHex) })
        let last = server.over(.seconds(15))
        let shutdown = try #require(frames.last)
        #expect(last.written == ping(2) + ping(3) + ByteBuffer(hex: shutdown.headerHex + shutdown.payloadHex))
    }

    private struct Timers: Decodable { var frames: [Probe.Frame]? }
}
