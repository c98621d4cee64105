// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

@Suite("JET wire")
struct WireTests {
    /// Where Warren's client takes what the deployed one rejects: the document's own reply has no `Jet-Timeout`.
    static let deviations: Set = [
        "rsp-accept-v1-seed-mask00", "rsp-accept-v1-seed-mask73", "rsp-accept-v1-timeout-missing",
    ]

    @Test func everyVectorHasTheVerdictOfTheDeployedCodec() throws {
        let vectors = try Vector.all()
        #expect(vectors.count == 110)
        for vector in vectors where !Self.deviations.contains(vector.id) {
            var bytes = vector.bytes
            var expected = vector.head
            expected.httpComplete = nil
            let verdict = vector.verdict(&bytes)
            #expect(verdict == (expected.error == "Io" ? nil : expected), "\(vector.id)")
        }
    }

    @Test func theDeviationsAreAcceptedWithoutATimeout() throws {
        for id in Self.deviations {
            let vector = try Vector.named(id)
            #expect(vector.head.error == "Invalid")
            var bytes = vector.bytes
            let packet = try #require(try bytes.readJETPacket())
            let reply = try JET.Reply(packet, to: .accept, .lenient)
            #expect(reply.status == 200 && reply.version == 1 && reply.timeout == nil)
            #expect(reply.association?.jetText == "e6ec698c-5793-4c63-af79-bd644ccf022f")
            #expect(reply.instance == (id.contains("seed") ? "101.jet.wayk.net:443" : "i"))
        }
    }

    /// However a packet is cut, a reader that is asked after each piece sees a prefix grow.
    @Test func everyVectorSaysNothingBeforeItsTimeAndThenTheSame() throws {
        for vector in try Vector.all() {
            let whole = vector.bytes
            var consumed = whole
            let verdict = vector.verdict(&consumed)
            let needed = Self.needed(vector)
            for length in Self.lengths(whole.readableBytes, around: needed) {
                var prefix = try #require(whole.getSlice(at: 0, length: length))
                let early = vector.verdict(&prefix)
                #expect(early == (length < needed ? nil : verdict), "\(vector.id) after \(length) bytes")
                if early == nil { #expect(prefix.readableBytes == length) }
            }
        }
    }

    /// How many bytes it takes to judge a vector.
    private static func needed(_ vector: Vector) -> Int {
        let array = vector.bytes.array
        switch vector.head.error {
        case "Io": return array.count + 1
        case "Signature": return 1 + (zip(array, JET.signature).firstIndexOfDifference ?? array.count)
        case "Size": return 6
        default: return Int(array[4]) << 8 | Int(array[5])
        }
    }

    /// All, but of long packets only those that matter.
    private static func lengths(_ count: Int, around needed: Int) -> [Int] {
        (0...count).filter { $0 < 256 || abs($0 - needed) < 3 || $0 % 4999 == 0 || $0 == count }
    }

    @Test func aWrongByteOfTheSignatureIsSeenAtOnce() {
        for right in 0..<4 {
            var bytes = ByteBuffer(bytes: JET.signature.prefix(right) + [0x58])
            #expect(throws: WireError(.badMagic, in: "packet.signature")) { try bytes.readJETPacket() }
            #expect(bytes.readableBytes == right + 1)
        }
    }

    @Test(arguments: 0...7) func sizesBelowTheHeaderAreRefusedWithoutTheRest(size: UInt8) {
        var bytes = ByteBuffer(bytes: JET.signature + [0, size])
        #expect(throws: WireError(.tooShort, in: "packet.size")) { try bytes.readJETPacket() }
        #expect(bytes.readableBytes == 6)
    }

    @Test func everyMaskAndFlagsComeBack() throws {
        for mask in UInt8.min...UInt8.max {
            let packet = JET.Packet(flags: ~mask, mask: mask, payload: "GET / HTTP/1.1\r\n\u{0}é😀")
            var bytes = ByteBuffer()
            try bytes.writeJETPacket(packet)
            bytes.writeString("surplus")
            #expect(try bytes.readJETPacket() == packet)
            #expect(String(buffer: bytes) == "surplus")
        }
    }

    @Test func payloadsEndAtTheSizeField() throws {
        let most = JET.Packet(mask: 0x73, payload: String(repeating: "p", count: 65527))
        var bytes = ByteBuffer()
        try bytes.writeJETPacket(most)
        #expect(bytes.readableBytes == 65535)
        #expect(try bytes.readJETPacket() == most)

        let more = JET.Packet(mask: 0x73, payload: most.payload + "p")
        #expect(throws: WireError(.tooLong, in: "packet.payload")) { try bytes.writeJETPacket(more) }
        #expect(bytes.readableBytes == 0)
    }

    @Test func payloadThatIsNoTextIsRefused() {
        var bytes = ByteBuffer(bytes: JET.signature + [0, 10, 0, 0, 0xC3, 0x28])
        #expect(throws: WireError(.badValue, in: "packet.payload")) { try bytes.readJETPacket() }
        #expect(bytes.readableBytes == 10)
    }

    @Test func isDetectedByItsSignature() {
        #expect(JET.detect(ByteBuffer(string: "").readableBytesView) == .needs(bytes: 4))
        #expect(JET.detect(ByteBuffer(string: "JET").readableBytesView) == .needs(bytes: 4))
        #expect(JET.detect(ByteBuffer(string: "JET\u{0}\u{1}").readableBytesView) == .yes)
        #expect(JET.detect(ByteBuffer(string: "JMUX").readableBytesView) == .no)
        #expect(JET.detect(ByteBuffer(string: "G").readableBytesView) == .no)
    }
}

extension Sequence where Element == (UInt8, UInt8) {
    fileprivate var firstIndexOfDifference: Int? { self.enumerated().first { $0.element.0 != $0.element.1 }?.offset }
}
