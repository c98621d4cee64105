// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import WarrenDemo

@Suite(.timeLimit(.minutes(2))) struct DemoTests {
    @Test func everyPathIsRight() async throws {
        var demo = Demo()
        demo.size = 1 << 20
        demo.rounds = 3
        let rows = try await demo.run { _ in }
        #expect(rows.count == 12)
        for row in rows {
            #expect(row.failure == nil, "\(row.path)")
            #expect(row.bytes == demo.size + demo.rounds)
            #expect(row.megabytesPerSecond > 0)
            #expect(row.milliseconds > 0)
        }
    }

    @Test func showsOnlyWhatWasAskedFor() async throws {
        var demo = Demo()
        demo.size = 1000
        demo.rounds = 1
        demo.only = ["jproxy", "forward"]
        let rows = try await demo.run { _ in }
        #expect(rows.map(\.path) == ["forward → direct", "SOCKS5 → jProxy → direct"])
    }

    @Test("every protocol has a path, and a sentence that says what happens there", arguments: Demo.protocols)
    func stories(name: String) async throws {
        var demo = Demo()
        demo.size = 1
        demo.rounds = 1
        demo.only = [name]
        #expect(try await !demo.run { _ in }.isEmpty)
        #expect(Demo.story(of: name)?.hasSuffix(".") == true)
    }

    @Test func aPatternTellsShiftedSwappedAndShortenedBytes() {
        let piece = Pattern.piece(at: 500, count: 1000)
        #expect(Pattern.matches(piece, at: 500))
        #expect(Pattern.matches(piece, at: 500 + Pattern.block.readableBytes))
        #expect(!Pattern.matches(piece, at: 501))
        #expect(!Pattern.matches(piece, at: 0))
        var across = Pattern.piece(at: Pattern.block.readableBytes - 3, count: 3)
        across.writeImmutableBuffer(Pattern.piece(at: 0, count: 5))
        #expect(Pattern.matches(across, at: Pattern.block.readableBytes - 3))
    }
}
