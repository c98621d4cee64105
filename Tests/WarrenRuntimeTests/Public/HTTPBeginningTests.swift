// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import WarrenRuntime

@Suite struct HTTPBeginningTests {
    private static let texts = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /\r\nx", "GET / HTTP/2.0\r\n", "SSH-2.0-x\r\n",
        "G\u{1}T / HTTP/1.1\r\n",
        String(repeating: "A", count: 25) + " / HTTP/1.1\r\n", String(repeating: "A", count: 24) + " / HTTP/1.1\r\n",
        "", " ",
        "\r\nGET / HTTP/1.1\r\n", "\nGET / HTTP/1.1\r\n", "GET HTTP/1.\n",
    ]

    @Test("says of bytes that come one by one what it says of all of them at once", arguments: Self.texts)
    func oneByOne(text: String) {
        let all = ByteBuffer(string: text)
        for skips in [false, true] {
            var beginning = HTTPBeginning(skippingEmptyLines: skips)
            for count in 0...all.readableBytes {
                let piece = all.readableBytesView.prefix(count)
                var fresh = HTTPBeginning(skippingEmptyLines: skips)
                let expected = fresh.mayGoOn(piece)
                let said = beginning.mayGoOn(piece)
                #expect(said == expected)
                if !expected { break }
            }
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n", true, true), ("\r\n\r\nGET / HTTP/1.1\r\n", false, true), ("\r", false, true),
        ("\r\n\r", false, true), ("\rG", false, false), ("GET /\r\n", false, false), ("SSH-2.0-x", true, true),
        ("SSH-2.0-x\r", false, false),
    ])
    func beginnings(text: String, first: Bool, later: Bool) {
        var (one, two) = (HTTPBeginning(), HTTPBeginning(skippingEmptyLines: true))
        let bytes = ByteBuffer(string: text).readableBytesView
        let said = (one.mayGoOn(bytes), two.mayGoOn(bytes))
        #expect(said == (first, later))
    }

    @Test("what was searched once is not searched again") func once() {
        // Behind the first, other bytes stand in the places that it has seen: it would say no if it looked.
        let pieces = [
            "\r\n\r\nGET /aaaaaaaa", "xxxxGET /a\naaaaaaaa", "xxxxGET /aaaaaaaaaa HTTP/1.1\r\n", "x",
        ]
        var beginning = HTTPBeginning(skippingEmptyLines: true)
        for piece in pieces {
            let said = beginning.mayGoOn(ByteBuffer(string: piece).readableBytesView)
            #expect(said, "\(piece)")
        }
    }
}
