// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenVProxy

/// Frames as bytes: the vectors both ways, cut everywhere.
@Suite struct WireTests {
    struct Vector: Decodable {
        var name: String
        var hex: String
    }

    private static let plain = ByteBuffer(string: String(repeating: "ab", count: 1000))

    /// What each vector says; parts of one payload count as one.
    private static func meaning(_ name: String) -> VProxy.Incoming? {
        switch name {
        case "HANDSHAKE / HANDSHAKE-ACK": .handshake
        case "SYN / SYN-ACK stream 1": .open(1, flags: 0)
        case "RST stream 1": .reset(1)
        case "FIN stream 1": .finish(1)
        case "PSH stream 1 \"hello\"": .data(1, ByteBuffer(string: "hello"))
        case "KEEPALIVE id 1": .ping(1, extra: ByteBuffer())
        case "KEEPALIVE-ACK id 1": .pong(1, extra: ByteBuffer())
        case "SHUTDOWN \"invalid frame type: 8\"": .shutdown(reason: "invalid frame type: 8")
        case "GOAWAY with <8 byte payload (upstream: reason-less)": .shutdown(reason: "")
        default: nil
        }
    }

    static func read(_ chunks: [ByteBuffer], after handshake: Bool = true) throws(WireError) -> [VProxy.Incoming] {
        var reader = FrameReader(.deployed, mostInflated: 1 << 20)
        var all: [VProxy.Incoming] = []
        if handshake { reader.receive(ByteBuffer(bytes: VProxy.Frame.handshake)) }
        for chunk in chunks {
            reader.receive(chunk)
            while let incoming = try reader.next() {
                if case .data(let id, let more) = incoming, case .data(id, let before)? = all.last {
                    all[all.count - 1] = .data(id, before + more)
                } else {
                    all.append(incoming)
                }
            }
        }
        #expect(!reader.isInsideFrame)
        return handshake ? Array(all.dropFirst()) : all
    }

    @Test func readsEveryVectorAtEveryCut() throws {
        for vector in try Fixture.load("h2_frames", as: [Vector].self) {
            let bytes = ByteBuffer(hex: vector.hex)
            let isHandshake = vector.name.hasPrefix("HANDSHAKE")
            for chunks in Chunks.everySplit(of: bytes) {
                let read = try Self.read(chunks, after: !isHandshake)
                guard let meaning = Self.meaning(vector.name) else {
                    // The compressed one.
                    guard case .data(1, let bytes)? = read.first else {
                        Issue.record("\(vector.name): \(read)")
                        return
                    }
                    #expect(read.count == 1 && bytes.readableBytes > 1024)
                    continue
                }
                #expect(read == [meaning], "\(vector.name)")
            }
        }
    }

    @Test func writesEveryVector() throws {
        let vectors = try Fixture.load("h2_frames", as: [Vector].self)
        let written: [String: ByteBuffer] = [
            "HANDSHAKE / HANDSHAKE-ACK": head(.settings, 0), "SYN / SYN-ACK stream 1": syn(1), "RST stream 1": rst(1),
            "FIN stream 1": fin(1), "PSH stream 1 \"hello\"": psh(1, "hello"), "KEEPALIVE id 1": ping(1),
            "KEEPALIVE-ACK id 1": ping(1, flags: 1),
            "SHUTDOWN \"invalid frame type: 8\"": shutdown("invalid frame type: 8"),
            "GOAWAY with <8 byte payload (upstream: reason-less)": head(.goAway, 0),
        ]
        for (name, bytes) in written {
            #expect(vectors.first { $0.name == name }?.hex == bytes.hex, "\(name)")
        }
    }

    @Test func ignoresWhatDeployedPeersIgnore() throws {
        let bytes =
            head(.data, 1) + head(.ping, 0, length: 4) + ByteBuffer(string: "abcd") + head(.headers, 3, flags: 0xFE)
            + psh(1, "x", flags: 0xF8) + ping(7, flags: 0x40, extra: Array(repeating: 1, count: 3000))
        #expect(
            try Self.read([bytes]) == [
                .open(3, flags: 0xFE), .data(1, ByteBuffer(string: "x")),
                .ping(7, extra: ByteBuffer(repeating: 1, count: 1016)),
            ])
    }

    @Test func takesALargeFrameInParts() throws {
        let payload = ByteBuffer(repeating: 7, count: 70_000)
        let bytes = head(.data, 1, flags: 1, length: 70_000) + payload
        for size in [1, 9, 1000, 69_999] {
            #expect(try Self.read(Chunks.of(size, bytes)) == [.data(1, payload), .finish(1)])
        }
    }

    @Test func refusesWhatNoPeerMaySay() {
        for (bytes, error) in [
            (head(.settings, 0), WireError(.unexpected, in: "frame.type")),
            (ByteBuffer(hex: "000004 08 00 00000000 00000001"), WireError(.unexpected, in: "frame.type")),
            (head(.headers, 1, length: 1), WireError(.tooLong, in: "headers.length")),
            (syn(0x8000_0001), WireError(.badValue, in: "frame.stream")),
            (psh(.max, "x"), WireError(.badValue, in: "frame.stream")),
            (head(.data, 1, flags: 4, length: 3) + ByteBuffer(string: "abc"), WireError(.badMagic, in: "gzip")),
            (head(.data, 1, flags: 4, length: (1 << 20) + 1), WireError(.tooLong, in: "gzip")),
        ] {
            #expect(throws: error) { try Self.read([bytes]) }
        }
        for bytes in ["000000040100000000", "000006040000000000", "505249202a20485454502f322e30"] {
            #expect(throws: WireError(.badMagic, in: "handshake")) {
                try Self.read([ByteBuffer(hex: bytes)], after: false)
            }
        }
    }

    @Test func theDocumentsShutdownIsABareText() throws {
        var bytes = shutdown("bye", .document)
        #expect(bytes.hex == "000003070000000000627965")
        bytes.moveReaderIndex(forwardBy: 9)
        #expect(bytes.readVProxyReason(.document) == "bye")
        // Both dialects understand that of the other as far as they can.
        var other = shutdown("bye")
        other.moveReaderIndex(forwardBy: 9)
        #expect(other.readVProxyReason(.document) == "bye")
    }

    @Test func messagesOfTheExtensionAreBothWays() throws {
        let messages: [VProxy.ExtendedMessage] =
            [.credit(0), .credit(.max), .reset(nil)] + StreamFault.allCases.map { .reset($0) }
        for message in messages {
            // Less than 8 bytes: a deployed peer would not even answer.
            #expect(message.payload.count < 8)
            let read = try VProxy.ExtendedMessage(ByteBuffer(bytes: message.payload + [9, 9]))
            #expect(read.payload == message.payload)
        }
        for bad in [[], [1, 0, 0, 0], [2], [3, 1]] as [[UInt8]] {
            #expect(throws: WireError.self) { try VProxy.ExtendedMessage(ByteBuffer(bytes: bad)) }
        }
    }
}
