// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

@Suite struct ClientHelloTests {
    /// The message of a client, written anew.
    struct Sample {
        var name: String? = "device.example"
        var protocols = ["h2", "http/1.1"]
        /// An extension of so many bytes before the others: a post-quantum key share has about 1,200.
        var padding = 0

        var message: ByteBuffer {
            var extensions = ByteBuffer()
            if self.padding > 0 { extensions.append(51, ByteBuffer(repeating: 7, count: self.padding)) }
            if let name {
                var list = ByteBuffer(bytes: [0])
                list.writePrefixed(ByteBuffer(string: name), as: UInt16.self)
                var value = ByteBuffer()
                value.writePrefixed(list, as: UInt16.self)
                extensions.append(0, value)
            }
            var list = ByteBuffer()
            for word in self.protocols { list.writePrefixed(ByteBuffer(string: word), as: UInt8.self) }
            var value = ByteBuffer()
            value.writePrefixed(list, as: UInt16.self)
            extensions.append(16, value)
            var body = ByteBuffer(bytes: [3, 3])
            body.writeRepeatingByte(9, count: 32)
            body.writePrefixed(ByteBuffer(repeating: 1, count: 32), as: UInt8.self)
            body.writePrefixed(ByteBuffer(bytes: [0x13, 0x01]), as: UInt16.self)
            body.writePrefixed(ByteBuffer(bytes: [0]), as: UInt8.self)
            body.writePrefixed(extensions, as: UInt16.self)
            var message = ByteBuffer(bytes: [1, 0])
            message.writeInteger(UInt16(body.readableBytes))
            message.writeImmutableBuffer(body)
            return message
        }

        /// In records of at most so many bytes.
        func records(of most: Int = 1 << 14) -> ByteBuffer {
            var (message, all) = (self.message, ByteBuffer())
            while message.readableBytes > 0, let part = message.readSlice(length: min(most, message.readableBytes)) {
                all.writeBytes([22, 3, 1])
                all.writePrefixed(part, as: UInt16.self)
            }
            return all
        }

        var hello: ClientHello? {
            guard case .whole(let hello) = ClientHello.read(self.records().readableBytesView) else { return nil }
            return hello
        }
    }

    @Test func namesTheServerAndTheProtocols() {
        #expect(Sample().hello?.serverName == "device.example")
        #expect(Sample().hello?.protocols == ["h2", "http/1.1"])
        #expect(Sample(name: "Device.Example.").hello?.serverName == "device.example")
        #expect(Sample(name: nil).hello?.serverName == nil)
        #expect(Sample(name: "a b").hello?.serverName == nil)
        #expect(Sample(name: String(repeating: "a", count: 254)).hello?.serverName == nil)
    }

    @Test("asks for more at every cut, never for more than there will be", arguments: [1, 2, 5, 100, 1 << 14])
    func everyCut(record: Int) {
        let sample = Sample(padding: record < 5 ? 0 : 1300)
        let whole = sample.records(of: record)
        for count in 0..<whole.readableBytes {
            guard case .needs(let bytes) = ClientHello.read(whole.readableBytesView.prefix(count)) else {
                Issue.record("cut at \(count)")
                return
            }
            #expect(bytes > count && bytes <= whole.readableBytes, "cut at \(count)")
        }
        #expect(ClientHello.read(whole.readableBytesView) == sample.hello.map { .whole($0) })
        var more = whole
        more.writeRepeatingByte(23, count: 100)
        #expect(ClientHello.read(more.readableBytesView) == sample.hello.map { .whole($0) })
    }

    @Test func whatIsNoClientHelloIsToldAtOnce() {
        for bytes in [[5, 1], [22, 2, 0, 0, 5], [22, 3, 1, 0, 0], [22, 3, 1, 0xFF, 0xFF], [22, 3, 1, 0, 5, 2]]
            as [[UInt8]]
        {
            #expect(ClientHello.read(ByteBuffer(bytes: bytes).readableBytesView) == .no)
        }
        // A message longer than what is held.
        let tooLong: [UInt8] = [22, 3, 1, 0x40, 0, 1, 1, 0, 0]
        #expect(ClientHello.read(ByteBuffer(bytes: tooLong).readableBytesView) == .no)
    }

    @Test func anyBytesAreReadToSomeEnd() {
        var random = SeededRandom(1)
        for _ in 0..<20 * ModelRuns.count {
            let sample = Sample(padding: Int.random(in: 0...40, using: &random))
            var bytes = Array(sample.records(of: Int.random(in: 1...300, using: &random)).readableBytesView)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            let count = Int.random(in: 0...bytes.count, using: &random)
            if case .needs(let more) = ClientHello.read(ByteBuffer(bytes: bytes[..<count]).readableBytesView) {
                #expect(more > count)
            }
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func writePrefixed<Length: FixedWidthInteger>(_ bytes: ByteBuffer, as: Length.Type) {
        self.writeInteger(Length(bytes.readableBytes))
        self.writeImmutableBuffer(bytes)
    }

    fileprivate mutating func append(_ type: UInt16, _ value: ByteBuffer) {
        self.writeInteger(type)
        self.writePrefixed(value, as: UInt16.self)
    }
}
