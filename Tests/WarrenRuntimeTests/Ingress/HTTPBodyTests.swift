// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("HTTP bodies") struct HTTPBodyTests {
    static func chunked() throws(HTTPAnswer) -> HTTPBody {
        let value = ByteBuffer(string: "chunked").readableBytesView
        return try HTTPBody(
            [HTTPField(name: "Transfer-Encoding", value: value)], minorVersion: 1
        )
    }

    static let good = [
        "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "000a\r\n0123456789\r\n0\r\n\r\n",
        "A\r\n0123456789\r\n1\r\n\r\r\n00\r\n\r\n",
        "5;a=b;c=\"d\"\r\nhello\r\n0 ; x\r\n\r\n", "0\r\nA: b\r\nC: d\r\n\r\n",
        // RFC 9112 and Wikipedia's example.
        "4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n",
    ]

    @Test("takes exactly the chunks, however they arrive", arguments: good)
    func takesChunks(_ text: String) throws {
        let bytes = Array((text + "next").utf8)
        for split in everySplit(bytes) {
            var body = try Self.chunked()
            var input = ByteBuffer()
            var taken = ByteBuffer()
            for piece in split {
                input.writeBytes(piece)
                if let read = try body.read(from: &input) { taken.writeImmutableBuffer(read) }
            }
            #expect(body.isComplete)
            #expect(String(buffer: taken) == text && String(buffer: input) == "next")
        }
    }

    @Test(
        "refuses broken chunks",
        arguments: [
            "\r\n", "g\r\n", "-1\r\n", " 1\r\n", "0x1\r\n", "1\n", "1\r\r", "1\r\nab", "1\r\na\n", "1\r\na\rb", ";\r\n",
            "1;a\n",
            "1;a\0", "1a_\r\n", "0000000000000001\r\n", "fffffffffffffffff\r\n", "0\r\nA: b\n", "0\r\nA\rb", "0\r\n\rb",
            "0\r\n\n",
        ]
    )
    func refusesChunks(_ text: String) throws {
        for split in everySplit(Array(text.utf8)) {
            var body = try Self.chunked()
            #expect(throws: WireError.self) {
                for piece in split {
                    var input = ByteBuffer(bytes: piece)
                    _ = try body.read(from: &input)
                }
            }
        }
    }

    @Test("bounds extensions and trailers", arguments: ["1;", "0\r\nA"])
    func boundsLines(_ start: String) throws {
        var body = try Self.chunked()
        var input = ByteBuffer(string: start + String(repeating: "a", count: 5000))
        #expect(throws: WireError(.tooLong, in: start == "1;" ? "chunk.extension" : "trailer")) {
            _ = try body.read(from: &input)
        }
    }

    @Test func passesTheLargestChunkOn() throws {
        var body = try Self.chunked()
        var input = ByteBuffer(string: "fffffffffffffff\r\nabc")
        #expect(try body.read(from: &input)?.readableBytes == 20)
        #expect(!body.isComplete)
    }
}
