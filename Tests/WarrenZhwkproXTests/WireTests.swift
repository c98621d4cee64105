// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

@Suite("zhwkproX wire")
struct WireTests {
    // MARK: Recorded bytes

    @Test("every recorded GET and reply, read and written again", arguments: Recording.all)
    func recordedMessages(name: String) throws {
        for entry in try Recording.load(name).messages where entry.isMessage {
            var bytes = entry.bytes
            let head = try bytes.readZhwkproXGet(most: 1 << 20)
            let (endpoint, length) = try #require(head)
            #expect(endpoint.address == IPAddress(entry.addr ?? ""))
            #expect(endpoint.port == entry.port && length == entry.dlen)
            let isSplit = name == "server-split-get"  // a deployed exit has filled it with zeros
            let plain = ByteBuffer(hex: entry.plaintext ?? "").array
            #expect(isSplit || Bytes.cipher.decrypted(bytes.array) == plain)
            #expect(isSplit || Bytes.get(endpoint, plain) == entry.bytes)
        }
    }

    @Test(
        "every recorded stream in every split, as one",
        arguments: ["server-session", "inter-session", "session-real-pair"], ["server->inter", "inter->server"])
    func recordedStreams(name: String, direction: String) throws {
        let entries = try Recording.load(name).messages.filter { $0.dir == direction }
        let messages = entries.filter {
            $0.bytes.readableBytes >= 11 && [4, 6].contains($0.bytes.readableBytesView.first)
        }
        let bytes = messages.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1.bytes) }
        let whole = try Self.read([bytes])
        #expect(!whole.isEmpty)
        for size in [1, 2, 3, 7, 11, 12, 16, 17, 100, 1448] {
            #expect(try Self.read(Chunks.of(size, bytes)) == whole)
        }
    }

    /// What a reader makes of these chunks, payload of the same destination joined.
    static func read(_ chunks: [ByteBuffer], _ format: ZhwkproX.Format = .plain) throws(WireError) -> [Incoming] {
        var reader = MessageReader(ByteBuffer(), format: format, cipher: Bytes.cipher, most: 1 << 20)
        var all: [Incoming] = []
        for chunk in chunks {
            reader.receive(chunk)
            while let next = try reader.nextIncoming() {
                switch (all.last, next) {
                case (.get(let a, let x), .get(let b, let y)) where a == b && x.readableBytes * y.readableBytes > 0:
                    all[all.count - 1] = .get(a, ByteBuffer(bytes: x.array + y.array))
                case (.data(let a, let x), .data(let b, let y)) where a == b:
                    all[all.count - 1] = .data(id: a, ByteBuffer(bytes: x.array + y.array))
                default: all.append(next)
                }
            }
        }
        return all
    }

    @Test func everySplitOfMessagesOfBothFamilies() throws {
        var random = SeededRandom(9)
        let plain = [0, 1, 15, 16, 17, 40].map { random.bytes($0).array }
        let bytes = plain.enumerated().reduce(into: ByteBuffer()) {
            $0.writeImmutableBuffer(Bytes.get($1.offset % 2 == 0 ? Bytes.v4 : Bytes.v6, $1.element))
        }
        let expected = plain.enumerated().map {
            Incoming.get($0.offset % 2 == 0 ? Bytes.v4 : Bytes.v6, ByteBuffer(bytes: $0.element))
        }
        for chunks in Chunks.everySplit(of: bytes) { #expect(try Self.read(chunks) == expected) }
    }

    @Test func everySplitOfTheExtension() throws {
        var random = SeededRandom(10)
        let plain = random.bytes(50).array
        let messages: [ZhwkproX.ExtendedMessage] = [
            .open(id: 1, Bytes.v4, window: 5), .open(id: 2, Bytes.v6, window: 1 << 31), .opened(id: 1, nil, window: 7),
            .opened(id: 2, .refused, window: 0), .credit(id: 1, 100), .finish(id: 1), .reset(id: 2, nil),
            .reset(id: 3, .shutdown), .ping(.max), .pong(1),
        ]
        var bytes = Bytes.extended(messages)
        bytes.writeImmutableBuffer(Bytes.data(9, plain))
        bytes.writeImmutableBuffer(Bytes.data(9, []))
        bytes.writeImmutableBuffer(Bytes.extended([.finish(id: 9)]))
        let expected =
            messages.map { Incoming.message($0) } + [.data(id: 9, ByteBuffer(bytes: plain)), .message(.finish(id: 9))]
        for chunks in Chunks.everySplit(of: bytes) { #expect(try Self.read(chunks, .extended) == expected) }
    }

    @Test func thousandsOfMessagesInOneRead() throws {
        let bytes = (0..<3000).reduce(into: ByteBuffer()) { all, number in
            all.writeImmutableBuffer(Bytes.get(number % 2 == 0 ? Bytes.v4 : Bytes.v6, [UInt8(number % 251)]))
        }
        let read = try Self.read([bytes])
        #expect(read.count == 3000)
        #expect(read[2999] == .get(Bytes.v6, ByteBuffer(bytes: [UInt8(2999 % 251)])))
    }

    // MARK: Rules

    @Test func portsAreBigEndianAndLengthsLittleEndian() {
        var bytes = ByteBuffer()
        bytes.writeZhwkproXGet(ZhwkproX.StreamAddress(address: IPAddress(v4: 0x7F00_0001), port: 18090), length: 5000)
        #expect(bytes.hex == "047f00000146aa88130000")
        bytes.clear()
        bytes.writeZhwkproXGet(Bytes.v6, length: 1)
        #expect(bytes.hex == "0620010db800000000000000000000000101bb01000000")
    }

    @Test("an unknown ipvr is found at its first byte", arguments: (UInt8.min ... .max).filter { $0 != 4 && $0 != 6 })
    func unknownFamily(ipvr: UInt8) {
        #expect(throws: WireError(.badValue, in: "get.ipvr")) { try Self.read([ByteBuffer(bytes: [ipvr])]) }
    }

    @Test func lengthsUpToTheCapAreAcceptedAndNoneBeyond() throws {
        var bytes = ByteBuffer()
        bytes.writeZhwkproXGet(Bytes.v4, length: 1 << 20)
        #expect(try bytes.readZhwkproXGet(most: 1 << 20)?.length == 1 << 20)
        for length in [UInt32(1 << 20) + 1, .max] {
            bytes.clear()
            bytes.writeZhwkproXGet(Bytes.v4, length: length)
            #expect(throws: WireError(.tooLong, in: "get.dlen")) { try bytes.readZhwkproXGet(most: 1 << 20) }
            #expect(bytes.readableBytes == 11)
        }
    }

    @Test func theExtensionRefusesWhatItDoesNotKnow() {
        for type in (UInt8.min ... .max) where !(0xE0...0xE8).contains(type) {
            #expect(throws: WireError(.badValue, in: "message.type")) {
                try Self.read([ByteBuffer(bytes: [type])], .extended)
            }
        }
        #expect(throws: WireError(.tooLong, in: "data.length")) {
            try Self.read([ByteBuffer(hex: "e10000000100010001")], .extended)
        }
        #expect(throws: WireError(.tooLong, in: "credit.bytes")) {
            try Self.read([ByteBuffer(hex: "e20000000180000001")], .extended)
        }
    }

    @Test("the exit's hello with any methods, in every split", arguments: [[], [0], [2], [0, 1, 2], Array(0...254)])
    func hello(methods: [UInt8]) throws {
        let whole = ByteBuffer(bytes: [0x80, UInt8(methods.count)] + methods + [9])
        for count in 0..<whole.readableBytes - 1 {
            var part = try #require(whole.getSlice(at: 0, length: count))
            #expect(try part.readZhwkproXHello() == nil)
            #expect(part.readableBytes == count)
        }
        var bytes = whole
        #expect(try bytes.readZhwkproXHello() == true)
        #expect(bytes.array == [9])
    }

    @Test("any first byte but 80 is none of ours", arguments: (UInt8.min ... .max).filter { $0 != 0x80 })
    func wrongVersion(first: UInt8) {
        var bytes = ByteBuffer(bytes: [first])
        #expect(throws: WireError(.badMagic, in: "hello.version")) { try bytes.readZhwkproXHello() }
        #expect(throws: WireError(.badMagic, in: "version")) { try bytes.readZhwkproXVersion() }
        #expect(ZhwkproX.detect(ByteBuffer(bytes: [first]).readableBytesView) == .no)
    }

    @Test func theFirstByteTellsTheProtocol() {
        #expect(ZhwkproX.detect(ByteBuffer(hex: "80").readableBytesView) == .yes)
        #expect(ZhwkproX.detect(ByteBuffer().readableBytesView) == .needs(bytes: 1))
    }

    @Test func marksAreRecognisedByTheirKeyAndTheirChallengeOnly() throws {
        let other = try ZhwkproX.Key([UInt8](repeating: 7, count: 16))
        let challenge = ZhwkproX.Extension.challenge(random: Array(0..<14), key: .deployed)
        #expect(challenge.count == 22 && Array(challenge.prefix(14)) == Array(0..<14))
        #expect(ZhwkproX.Extension.isMarked(challenge: challenge, key: .deployed))
        #expect(!ZhwkproX.Extension.isMarked(challenge: challenge, key: other))
        #expect(!ZhwkproX.Extension.isMarked(challenge: Array("fake random str.123456".utf8), key: .deployed))
        let suffix = ZhwkproX.Extension.suffix(random: [], to: challenge, key: .deployed)
        #expect(suffix.count == 8)
        #expect(ZhwkproX.Extension.isMarked(suffix: suffix, to: challenge, key: .deployed))
        #expect(!ZhwkproX.Extension.isMarked(suffix: suffix, to: challenge.reversed(), key: .deployed))
        #expect(!ZhwkproX.Extension.isMarked(suffix: [1] + suffix, to: challenge, key: .deployed))
        #expect(!ZhwkproX.Extension.isMarked(suffix: Array("fake rand strings".utf8), to: challenge, key: .deployed))
    }

    @Test func mappedAddressesBecomeIPv4() throws {
        let mapped = IPAddress(high: 0, low: 0xFFFF_C000_0201)
        #expect(try ZhwkproX.StreamAddress(.tcp(.address(mapped), port: 80)) == Bytes.v4)
        #expect(throws: StreamFault.unsupported) { try ZhwkproX.StreamAddress(.tcp(.name("host.example"), port: 80)) }
        #expect(throws: StreamFault.unsupported) { try ZhwkproX.StreamAddress(.host(.address(mapped), port: 80, .udp)) }
    }
}
