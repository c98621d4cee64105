// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// A stream that carries something: whatever order it is told, paused and read in, what it tells is whole and in order.
@Suite struct StreamLegModelTests {
    private final class NoSession: SessionDriver {
        func send(_ bytes: ByteBuffer, on stream: StreamID) {}
        func hasRoom(on stream: StreamID) -> Bool { true }
        func finish(_ stream: StreamID) {}
        func reset(_ stream: StreamID, _ fault: StreamFault?) {}
        func consumed(_ count: Int, on stream: StreamID) {}
        func wake() {}
    }

    @Test("random orders of bytes, ends, pauses and turns")
    func orders() {
        for seed in ModelRuns.seeds where !self.holds(seed) { return #expect(Bool(false), "seed \(seed)") }
    }

    private func holds(_ seed: UInt64) -> Bool {
        var random = SeededRandom(seed)
        let (loop, session, diary) = (SocketLoop.manual(), NoSession(), LegDiary(needs: [.pauses]))
        let leg = StreamLeg(StreamID(1), of: session, on: loop)
        var (isReading, isRight, hasEnded) = (true, true, false)
        var (said, heard) = ("", "")
        var (saidFinish, saidEnd): (Bool, StreamFault??) = (false, nil)
        leg.events = diary
        leg.begin()
        var flips = random
        diary.onEntry = { entry, leg in
            switch entry {
            case .received(let text):
                isRight = isRight && isReading && !hasEnded
                heard += text
                guard Bool.random(using: &flips) else { return }
                isReading = false
                leg.setReading(false)
            case .burst: break
            case .finished: isRight = isRight && isReading && heard == said && !hasEnded
            case .ended(let fault):
                isRight = isRight && !hasEnded && (fault != nil || isReading && heard == said)
                hasEnded = true
            }
        }
        for number in 0..<Int.random(in: 1...30, using: &random) {
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2 where !saidFinish && saidEnd == nil:
                said += "\(number),"
                leg.received(ByteBuffer(string: "\(number),"))
            case 3 where !saidFinish && saidEnd == nil:
                saidFinish = true
                leg.finished()
            case 4 where saidEnd == nil:
                saidEnd = .some(Bool.random(using: &random) ? nil : .aborted)
                leg.ended(saidEnd ?? nil)
            case 5:
                isReading.toggle()
                leg.setReading(isReading)
            default: loop.runOnce()
            }
        }
        // A reader that goes on hears the rest.
        for _ in 0..<100 {
            isReading = true
            leg.setReading(true)
            loop.runOnce()
        }
        let entries = diary.take()
        let finishes = entries.count { $0 == .finished }
        guard isRight, hasEnded == (saidEnd != nil) else { return false }
        if case .some(.some) = saidEnd { return finishes <= 1 && said.hasPrefix(heard) }
        return heard == said && finishes == (saidFinish ? 1 : 0)
    }
}
