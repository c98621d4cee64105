// SPDX-License-Identifier: Apache-2.0

import CWarrenAES
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJProxy

/// Cuts, encrypts and joins by the simplest means, for tests that speak for a peer.
struct TestPackets {
    let cipher: PacketCipher
    var dialect = JProxy.Dialect.deployed
    /// Reads the extension's messages, too.
    var isExtended = false

    init(key: [UInt8]) { self.cipher = PacketCipher(key: key) }

    func packet(plain: [UInt8]) -> ByteBuffer {
        let padding = 16 - plain.count % 16
        var bytes = plain + Array(repeating: UInt8(padding), count: padding)
        let blocks = bytes.count / 16
        bytes.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            self.cipher.encrypt(base, blocks: blocks)
        }
        return ByteBuffer(bytes: [UInt8(blocks)] + bytes)
    }

    func packet(_ message: JProxy.Message) -> ByteBuffer {
        var plain = ByteBuffer()
        plain.writeJProxyMessage(message, self.dialect)
        return self.packet(plain: plain.array)
    }

    func packets(_ messages: [JProxy.Message]) -> ByteBuffer {
        ByteBuffer(bytes: messages.flatMap { self.packet($0).readableBytesView })
    }

    /// The messages of whole packets.
    func messages(_ bytes: ByteBuffer, from side: JProxy.Side) throws -> [JProxy.Message] {
        var bytes = bytes
        var messages: [JProxy.Message] = []
        while let blocks = bytes.readInteger(as: UInt8.self) {
            guard let source = bytes.readBytes(length: 16 * Int(blocks)) else {
                throw WireError(.truncated, in: "test")
            }
            var plain = [UInt8](repeating: 0, count: source.count)
            let length = source.withUnsafeBytes { source in
                plain.withUnsafeMutableBytes { plain -> Int? in
                    guard let from = source.baseAddress, let to = plain.baseAddress else { return nil }
                    self.cipher.decrypt(from, to: to, blocks: Int(blocks))
                    return Packet.messageLength(to, blocks: Int(blocks))
                }
            }
            var message = ByteBuffer(bytes: plain.prefix(try #require(length)))
            if self.isExtended, let extended = try message.readJProxyExtension(from: side) {
                messages.append(.extended(extended))
                continue
            }
            messages.append(try message.readJProxyMessage(self.dialect, from: side))
            #expect(message.readableBytes == 0)
        }
        return messages
    }
}

@Suite("jProxy packets")
struct CipherTests {
    struct Cases: Decodable {
        struct Case: Decodable {
            var plaintext: String
            var packet: String
            var blocks: Int
        }
        var key: String
        var cases: [Case]
    }

    static let key = Array(UInt8(0)...15)
    static var engines: [Bool] { warren_aes_available() ? [true, false] : [false] }

    @Test("recorded packets, by instructions and without", arguments: Self.engines)
    func recordedPackets(hardware: Bool) throws {
        let cases: Cases = try Fixture.load("cipher")
        let cipher = PacketCipher(key: ByteBuffer(hex: cases.key).array, hardware: hardware)
        for item in cases.cases {
            let packet = ByteBuffer(hex: item.packet)
            let source = Array(packet.readableBytesView.dropFirst())
            var plain = [UInt8](repeating: 0, count: source.count)
            let length = source.withUnsafeBytes { source in
                plain.withUnsafeMutableBytes { plain -> Int? in
                    guard let from = source.baseAddress, let to = plain.baseAddress else { return nil }
                    cipher.decrypt(from, to: to, blocks: item.blocks)
                    return Packet.messageLength(to, blocks: item.blocks)
                }
            }
            #expect(length.map { ByteBuffer(bytes: plain.prefix($0)).hex } == item.plaintext)
            plain.withUnsafeMutableBytes { plain in
                guard let base = plain.baseAddress else { return }
                cipher.encrypt(base, blocks: item.blocks)
            }
            #expect(plain == source)
        }
    }

    @Test func bothEnginesGiveTheSamePackets() throws {
        let data = SeededRandom(5)
        for engine in Self.engines {
            var random = data
            let cipher = PacketCipher(key: Self.key, hardware: engine)
            var writer = PacketWriter(ByteBuffer(), cipher: cipher, dialect: .deployed)
            for id in UInt16(0)..<40 { writer.append(random.bytes(Int(id) * 400), id: id / 3) }
            writer.seal()
            var reference = data
            let packets = TestPackets(key: Self.key)
            let messages = try packets.messages(writer.bytes, from: .client)
            for id in UInt16(0)...13 {
                let sent = (id * 3..<min(id * 3 + 3, 40)).map { reference.bytes(Int($0) * 400).hex }.joined()
                let got = messages.map { if case .data(id, let bytes) = $0 { bytes.hex } else { "" } }.joined()
                #expect(got == sent)
            }
            #expect(packets.packets(messages) == writer.bytes)
        }
    }

    @Test func fillsPacketsFromManyPieces() throws {
        var writer = PacketWriter(ByteBuffer(), cipher: PacketCipher(key: Self.key), dialect: .deployed)
        for _ in 0..<100 { writer.append(ByteBuffer(repeating: 1, count: 1000), id: 4) }
        writer.seal()
        let sizes = try TestPackets(key: Self.key).messages(writer.bytes, from: .client).map {
            if case .data(4, let bytes) = $0 { bytes.readableBytes } else { -1 }
        }
        #expect(sizes == Array(repeating: 4074, count: 24) + [100_000 - 24 * 4074])
    }

    @Test func joinsConsecutivePacketsOfOneStream() throws {
        let packets = TestPackets(key: Self.key)
        var random = SeededRandom(9)
        let pieces = (0..<60).map { _ in random.bytes(Int.random(in: 0...4074, using: &random)) }
        let stream = packets.packets(pieces.map { .data(id: 7, $0) } + [.disconnect(id: 7)])
        var reader = PacketReader(stream, dialect: .deployed, isStrict: true)
        guard case .data(7, let bytes) = try reader.next(packets.cipher) else {
            throw WireError(.unexpected, in: "test")
        }
        #expect(bytes.hex == pieces.map(\.hex).joined())
        guard case .message(let message) = try reader.next(packets.cipher) else {
            throw WireError(.unexpected, in: "test")
        }
        #expect(message.hex == "41000704")
        #expect(try reader.next(packets.cipher) == nil)
        #expect(!reader.isInsidePacket)
    }

    @Test("delivers the same however it is cut", arguments: 0..<20 as Range<UInt64>)
    func chunking(seed: UInt64) throws {
        let packets = TestPackets(key: Self.key)
        var random = SeededRandom(seed)
        var expected: [UInt16: String] = [:]
        var stream = ByteBuffer()
        for _ in 0..<80 {
            let id = UInt16.random(in: 0...2, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0: stream.writeInteger(UInt8(0))
            case 1:
                stream.writeImmutableBuffer(packets.packet(.connectReply(.init(id: id, fault: nil, milliseconds: 1))))
            case 2: stream.writeImmutableBuffer(packets.packet(plain: [0x21, 0, 1, 0, 9, 1]))  // longer than its packet
            default:
                let bytes = random.bytes(Int.random(in: 0...4074, using: &random))
                expected[id, default: ""] += bytes.hex
                stream.writeImmutableBuffer(packets.packet(.data(id: id, bytes)))
            }
        }
        var got: [UInt16: String] = [:]
        var reader = PacketReader(ByteBuffer(), dialect: .deployed, isStrict: false)
        for chunk in Chunks.random(stream, most: seed % 2 == 0 ? 100_000 : 6000, using: &random) {
            reader.receive(chunk)
            while let incoming = try reader.next(packets.cipher) {
                if case .data(let id, let bytes) = incoming { got[id, default: ""] += bytes.hex }
            }
        }
        #expect(got == expected)
    }

    @Test func neverWritesToTheReceivedBuffer() throws {
        let packets = TestPackets(key: Self.key)
        let stream = packets.packets((0..<5).map { .data(id: 1, ByteBuffer(repeating: $0, count: 4000)) })
        let before = stream.hex
        var reader = PacketReader(stream, dialect: .deployed, isStrict: true)
        while try reader.next(packets.cipher) != nil {}
        #expect(stream.hex == before)
    }
}
