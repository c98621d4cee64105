// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// Sessions of deployed peers, once with our server in the place of theirs, once with our client.
@Suite struct ReplayTests {
    @Test("what KCP carried is the recorded frames", arguments: ["kcptun_http_small", "kcptun_bulk"])
    func readsWhatWasCarried(name: String) throws {
        let recording = try Recording.load(name)
        for dir in ["c2s", "s2c"] {
            let frames = recording.frames.filter { $0.dir == dir }
            var random = SeededRandom(3)
            let cuts = Chunks.random(recording.carried(dir), using: &random)
            for chunks in [[recording.carried(dir)], Chunks.of(1, recording.carried(dir)), cuts] {
                var reader = FrameReader(.deployed, mostInflated: 1 << 20)
                var payload = ByteBuffer()
                var others: [VProxy.Incoming] = []
                for chunk in chunks {
                    reader.receive(chunk)
                    while let incoming = try reader.next() {
                        if case .data(_, let bytes) = incoming {
                            payload.writeImmutableBuffer(bytes)
                        } else {
                            others.append(incoming)
                        }
                    }
                }
                let plain = frames.filter { $0.meaning.hasPrefix("PSH") }.reduce(ByteBuffer()) { $0 + $1.plain }
                // The recording may end inside a frame.
                #expect(payload.readableBytesView.starts(with: plain.readableBytesView))
                #expect(others.count == frames.filter { !$0.meaning.hasPrefix("PSH") }.count)
            }
        }
    }

    @Test("our server serves a deployed client", arguments: ["kcptun_http_small", "kcptun_bulk"])
    func servesADeployedClient(name: String) throws {
        let recording = try Recording.load(name)
        var server = Server(VProxy.ServerMachine(.plain))
        var got: [UInt32: ByteBuffer] = [:]
        var written = ByteBuffer()
        for frame in recording.frames {
            guard frame.isToServer else {
                // What theirs said of its own accord, ours is told to say.
                let id = StreamID(frame.streamId)
                switch frame.meaning {
                case "PSH", "PSH(gzip)": server.machine.send(frame.plain, on: id)
                case "FIN": server.machine.finish(id)
                default: break
                }
                written.writeImmutableBuffer((server.drain() + server.after(.milliseconds(60))).written)
                continue
            }
            let actions = server.receive(frame.bytes)
            written.writeImmutableBuffer(actions.written)
            for case .open(let id, let request) in actions {
                #expect(request == fixed)
                server.machine.accept(id)
            }
            got[frame.streamId, default: ByteBuffer()].writeImmutableBuffer(actions.delivered(frame.streamId))
            if frame.meaning == "FIN" { #expect(actions.others.contains(.end(StreamID(frame.streamId), nil))) }
        }
        for (id, bytes) in got { #expect(bytes == recording.plain(id, "c2s")) }
        try recording.expect(written, "s2c")
    }

    @Test("our client uses a deployed server", arguments: ["kcptun_http_small", "kcptun_bulk"])
    func usesADeployedServer(name: String) throws {
        let recording = try Recording.load(name)
        var client = Client(VProxy.ClientMachine(.plain))
        var written = client.drain().written
        var got: [UInt32: ByteBuffer] = [:]
        for frame in recording.frames {
            guard !frame.isToServer else {
                let id = StreamID(frame.streamId)
                switch frame.meaning {
                case "SYN": #expect(try client.machine.open(fixed, now: client.now) == id)
                case "PSH", "PSH(gzip)": client.machine.send(frame.plain, on: id)
                case "FIN": client.machine.finish(id)
                default: break
                }
                written.writeImmutableBuffer((client.drain() + client.after(.milliseconds(60))).written)
                continue
            }
            let actions = client.receive(frame.bytes)
            switch frame.meaning {
            case "HANDSHAKE-ACK": #expect(actions == [.ready])
            case "SYN-ACK": #expect(actions == [.opened(StreamID(frame.streamId))])
            case "FIN": #expect(actions.others == [.finish(StreamID(frame.streamId))])
            default: got[frame.streamId, default: ByteBuffer()].writeImmutableBuffer(actions.delivered(frame.streamId))
            }
            written.writeImmutableBuffer(actions.written)
        }
        for (id, bytes) in got { #expect(bytes == recording.plain(id, "s2c")) }
        try recording.expect(written, "c2s")
    }

    @Test func answersTheRecordedKeepAlives() throws {
        let frames = try Recording.load("keepalive").frames
        var client = Client.up()
        for pair in stride(from: 0, to: frames.count - 1, by: 2) {
            #expect(client.receive(frames[pair].bytes) == [.write(frames[pair + 1].bytes)])
        }
        #expect(frames.count == 6)
    }
}

extension Recording {
    func plain(_ id: UInt32, _ dir: String) -> ByteBuffer {
        self.frames.filter { $0.streamId == id && $0.dir == dir && $0.meaning.hasPrefix("PSH") }
            .reduce(ByteBuffer()) { $0 + $1.plain }
    }

    /// What our end has written means what theirs has, frame by frame; compression is a matter of taste.
    func expect(_ written: ByteBuffer, _ dir: String) throws {
        var reader = FrameReader(.deployed, mostInflated: 1 << 20)
        reader.receive(written)
        var said: [VProxy.Incoming] = []
        while let incoming = try reader.next() {
            if case .data(let id, let more) = incoming, case .data(id, let before)? = said.last {
                said[said.count - 1] = .data(id, before + more)
            } else {
                said.append(incoming)
            }
        }
        var expected: [VProxy.Incoming] = []
        for frame in self.frames where frame.dir == dir {
            switch frame.meaning {
            case "HANDSHAKE", "HANDSHAKE-ACK": expected.append(.handshake)
            case "SYN", "SYN-ACK": expected.append(.open(frame.streamId, flags: 0))
            case "FIN": expected.append(.finish(frame.streamId))
            default:
                if case .data(frame.streamId, let before)? = expected.last {
                    expected[expected.count - 1] = .data(frame.streamId, before + frame.plain)
                } else {
                    expected.append(.data(frame.streamId, frame.plain))
                }
            }
        }
        #expect(said == expected)
    }
}
