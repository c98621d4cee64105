// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

/// What an unpacker says of one frame, byte by byte: texts that look alike are not the same to a peer.
private struct Said: Hashable {
    var kind: MProxy.Header.Kind
    var event: String
    var texts: [[UInt8]]
    var length: Int
    var isGo: Bool
    var body: ByteBuffer

    init(_ event: MProxy.Unpacker.Event) {
        let (name, header, body): (String, MProxy.Header, ByteBuffer) =
            switch event {
            case .connection(let header): ("connection", header, ByteBuffer())
            case .data(let header, let body): ("data", header, body)
            case .end(let header): ("end", header, ByteBuffer())
            case .error(let header, let body): ("error", header, body)
            case .pause(let header, let body): ("pause", header, body)
            case .resume(let header, let body): ("resume", header, body)
            case .control(let header, let body): ("control", header, body)
            case .credit(let header, let body): ("credit", header, body)
            case .finish(let header): ("finish", header, ByteBuffer())
            }
        let source = header.source
        self.kind = header.kind
        self.event = name
        self.texts = [source.family, source.address, source.port, header.service, header.servicePort, header.name]
            .map { Array($0.utf8) }
        self.length = header.length
        self.isGo = header.isGo
        self.body = body
    }
}

/// Headers of a few streams that are alike in all but little, with lengths of all kinds.
private struct Peers {
    private static let lengths = [
        "", "-1", " 7", "+7", "2abc", "0x2", "1e3", "7 ", "2001", "2000", "0000000007", "00000000007", "0000002001",
        "9999999999", "99999999999", "99999999999999999999999", "0", "00", "010", "\u{FF17}",
    ]

    private let streams: [(before: String, after: String)]

    init(_ random: inout SeededRandom) {
        let port = Int.random(in: 1000...65_000, using: &random)
        self.streams = (0..<Int.random(in: 1...20, using: &random)).map { _ in
            // The same last digits, the same remainder, one digit more.
            let near = [port, port + 1, port + 16, port + 100, port + 160, port % 100, 10 * port]
            let ports = near.map { "\($0)" } + ["", "0\(port)", "x"]
            let family = ["IPv4", "IPv4", "IPv6", "tun", ""].randomElement(using: &random) ?? ""
            let address = ["192.0.2.7", "192.0.2.7", "192.0.2.70", "2001:db8::7", "\u{E9}", "e\u{301}", ""]
            let words = ["https", "https", "tcp", "http", "credit", "finish", "connection", "end", "control", ""]
            let name = ["a.test", "a.test", "b.test", "", "\u{E9}", "e\u{301}"].randomElement(using: &random) ?? ""
            let service = words.randomElement(using: &random) ?? ""
            let rests = ["", ",", ",443", ",443,\(name)", ",443,\(name)", ",443,\(name),\n", ",0,\(name),https", ",\n"]
            let before = "\(family),\(address.randomElement(using: &random) ?? ""),"
            return (
                before + "\(ports.randomElement(using: &random) ?? ""),",
                ",\(service)" + (rests.randomElement(using: &random) ?? "")
            )
        }
    }

    func header(_ random: inout SeededRandom) -> ByteBuffer {
        guard let stream = self.streams.randomElement(using: &random) else { return ByteBuffer() }
        let isOdd = Int.random(in: 0..<4, using: &random) == 0
        let length =
            isOdd ? Self.lengths.randomElement(using: &random) ?? "" : "\(UInt8.random(in: 0...99, using: &random))"
        return ByteBuffer(string: stream.before + length + stream.after)
    }
}

@Suite struct HeaderMemoryTests {
    private static let limits = MProxy.Unpacker.Limits(data: 2000)

    /// A frame with a body as long as its header says, where that can be read.
    private static func whole(
        _ text: ByteBuffer, _ reading: MProxy.Reading, isExtended: Bool, _ random: inout SeededRandom
    ) -> ByteBuffer {
        let header = try? MProxy.Header(text: text.readableBytesView, reading, Self.limits, isExtended: isExtended)
        var frame = ByteBuffer(bytes: [0xFE, UInt8(text.readableBytes)])
        frame.writeImmutableBuffer(text)
        frame.writeImmutableBuffer(random.bytes(header?.length ?? 0))
        return frame
    }

    private static func hear(_ pieces: [ByteBuffer], _ unpacker: inout MProxy.Unpacker) -> ([Said], WireError?) {
        var all: [Said] = []
        do throws(WireError) {
            for piece in pieces {
                unpacker.receive(piece)
                while let event = try unpacker.next() { all.append(Said(event)) }
            }
            return (all, nil)
        } catch {
            return (all, error)
        }
    }

    @Test("whoever has read others before says of each frame what one that has not says")
    func model() {
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            let peers = Peers(&random)
            let reading: MProxy.Reading = seed % 2 == 0 ? .strict : .deployed
            var warm = MProxy.Unpacker(reading, limits: Self.limits)
            for step in 0..<60 {
                if Int.random(in: 0..<30, using: &random) == 0 { warm.isExtended.toggle() }
                let text = peers.header(&random)
                let frame = Self.whole(text, reading, isExtended: warm.isExtended, &random)
                let pieces = Bool.random(using: &random) ? [frame] : Chunks.random(frame, most: 90, using: &random)
                var cold = MProxy.Unpacker(reading, limits: Self.limits)
                cold.isExtended = warm.isExtended
                var next = warm
                let (heard, error) = Self.hear(pieces, &next)
                let (expected, expectedError) = Self.hear(pieces, &cold)
                let words: Comment = "seed \(seed), step \(step): \(String(buffer: text))"
                #expect(heard == expected, words)
                #expect(error.map { "\($0)" } == expectedError.map { "\($0)" }, words)
                #expect(next.isInsideFrame == cold.isInsideFrame, words)
                // An error ends the session; another one has read the same before.
                if error == nil { warm = next }
            }
        }
    }

    @Test("a word that was a service is one of the extension from then on", arguments: ["credit", "finish"])
    func wordsOfTheExtension(word: String) throws {
        var unpacker = MProxy.Unpacker()
        for isExtended in [false, true, false] {
            unpacker.isExtended = isExtended
            for body in ["1", "20"] {
                unpacker.receive(frame("\(visitor),#,\(word),443,a.test", body))
                let kind = isExtended ? MProxy.Header.Kind(service: word, isExtended: true) : .data
                #expect(try unpacker.next().map { Said($0).kind } == kind)
                #expect(!unpacker.isInsideFrame)
            }
        }
    }

    @Test func aLengthPastTheLimitIsRefusedHoweverOftenItsLikeWasRead() throws {
        var unpacker = MProxy.Unpacker(limits: Self.limits)
        for length in [5, 2000] {
            unpacker.receive(frame("\(visitor),#,https,443,a.test", String(repeating: "x", count: length)))
            #expect(try unpacker.next() != nil)
        }
        unpacker.receive(frame("\(visitor),2001,https,443,a.test"))
        #expect(throws: WireError(.tooLong, in: "header.datalen")) { try unpacker.next() }
        #expect(throws: WireError(.tooLong, in: "header.datalen")) { try unpacker.next() }
    }

    @Test("what is kept is the header, not the read that it came in") func keepsLittle() throws {
        var bytes = ByteBuffer(string: "\(visitor),2,https,443,a.test")
        bytes.reserveCapacity(1 << 16)
        let header = try MProxy.Header(text: bytes.readableBytesView, .strict, Self.limits, isExtended: false)
        var memory = MProxy.HeaderMemory()
        memory.keep(header, bytes.readableBytesView)
        #expect(memory.recall(bytes.readableBytesView) == header)
        let isAlone = bytes.modifyIfUniquelyOwned { _ in true } ?? false
        #expect(isAlone)
    }
}
