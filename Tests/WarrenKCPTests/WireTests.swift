// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenKCP

@Suite("KCP wire")
struct WireTests {
    @Test func decodesWhatWasRecorded() throws {
        for (hex, segments) in try Vectors.load().valid {
            var bytes = ByteBuffer(hex: hex)
            var read: [KCP.Segment] = []
            while let segment = try bytes.readKCPSegment(conversation: segments.first?.header.conversation ?? 0) {
                read.append(segment)
            }
            #expect(read == segments)
            #expect(bytes.readableBytes == 0)
        }
    }

    @Test func encodesWhatWasRecorded() throws {
        for (hex, segments) in try Vectors.load().valid {
            var bytes = ByteBuffer()
            for segment in segments { bytes.writeKCPSegment(segment) }
            #expect(bytes == ByteBuffer(hex: hex))
        }
    }

    @Test func neverReadsPartOfASegment() throws {
        for (hex, segments) in try Vectors.load().valid {
            let whole = ByteBuffer(hex: hex)
            let conversation = segments.first?.header.conversation ?? 0
            for length in 0..<whole.readableBytes {
                var cut = whole.getSlice(at: 0, length: length) ?? ByteBuffer()
                var read: [KCP.Segment] = []
                var error: WireError?
                do throws(WireError) {
                    while let segment = try cut.readKCPSegment(conversation: conversation) { read.append(segment) }
                } catch let thrown {
                    error = thrown
                }
                #expect(read == Array(segments.prefix(read.count)))
                #expect(error == nil || error == WireError(.tooLong, in: "segment.len"))
                #expect(error != nil || cut.readableBytes < KCP.overhead)
            }
        }
    }

    @Test(
        "refuses",
        arguments: [
            ("0000000050000100" + String(repeating: "0", count: 32), WireError(.badValue, in: "segment.cmd")),
            ("0000000055000100" + String(repeating: "0", count: 32), WireError(.badValue, in: "segment.cmd")),
            ("0100000051000100" + String(repeating: "0", count: 32), WireError(.badValue, in: "segment.conv")),
            (
                "0000000051000100" + String(repeating: "0", count: 24) + "01000000",
                WireError(.tooLong, in: "segment.len")
            ),
            (
                "0000000051000100" + String(repeating: "0", count: 24) + "ffffffff",
                WireError(.tooLong, in: "segment.len")
            ),
        ])
    func refuses(hex: String, error: WireError) {
        var bytes = ByteBuffer(hex: hex)
        #expect(throws: error) { try bytes.readKCPSegment(conversation: 0) }
        #expect(bytes.readableBytes == 24)
    }
}
