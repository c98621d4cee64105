// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// What one visitor says, in pieces, and when it leaves.
private struct Plan: Sendable {
    enum Leaving: CaseIterable {
        case atTheEnd, byReset, byClosing, byFinishing
    }

    let said: ByteBuffer
    let pieces: [ByteBuffer]
    let leaving: Leaving
    /// Pieces that it says before it leaves.
    let most: Int

    init(_ random: inout SeededRandom) {
        var said = ByteBuffer(string: MoveRig.head)
        said.writeImmutableBuffer(random.bytes(Int.random(in: 0...9000, using: &random)))
        self.said = said
        self.pieces = Bool.random(using: &random) ? [self.said] : Chunks.random(self.said, using: &random)
        let stays = Int.random(in: 0..<3, using: &random) > 0
        self.leaving = stays ? .atTheEnd : Leaving.allCases.randomElement(using: &random) ?? .byReset
        self.most =
            self.leaving == .atTheEnd ? self.pieces.count : Int.random(in: 0...self.pieces.count, using: &random)
    }

    /// - Returns: what is wrong with what it has heard.
    func visit(_ rig: MoveRig) async throws -> String? {
        let peer = try await rig.visitor()
        // Whoever is told no may be cut off while it speaks.
        for piece in self.pieces.prefix(self.most) { try? await peer.send(piece) }
        switch self.leaving {
        case .byReset: peer.reset()
        case .byClosing: peer.close()
        case .byFinishing, .atTheEnd: try? await peer.finish()
        }
        let (heard, end) = try await peer.everything()
        peer.close()
        guard self.leaving == .atTheEnd else { return nil }
        let isRefused = ["404", "502", "503"].contains { String(buffer: heard).hasPrefix("HTTP/1.1 \($0) ") }
        return end == .finished && (isRefused || heard == self.said) ? nil : "\(heard.readableBytes) bytes, \(end)"
    }
}

@Suite(.timeLimit(.minutes(2))) struct SessionMoveModelTests {
    /// What a device does with its visitors, in any order.
    private static func answers(_ seed: UInt64) -> @Sendable (VisitedDevice.Visit) -> Void {
        let random = Mutex(SeededRandom(seed))
        return { visit in
            switch random.withLock({ Int.random(in: 0..<8, using: &$0) }) {
            case 0: visit.give(.failure(.refused))
            case 1: visit.loop.execute { visit.give(.failure(.refused)) }
            case 2...4: visit.loop.execute { visit.echo() }
            default: visit.echo()
            }
        }
    }

    @Test(
        "visitors come and leave at any moment, and so do devices; whoever stays is served", arguments: UInt64(0)..<16)
    func model(seed: UInt64) async throws {
        var random = SeededRandom(seed)
        let rig = try await MoveRig(onVisit: Self.answers(seed))
        let other = VisitedDevice(on: rig.near, onVisit: Self.answers(seed + 100))
        let plans = (0..<24).map { _ in Plan(&random) }
        let wrong = try await withThrowingTaskGroup(of: String?.self) { group in
            for plan in plans {
                group.addTask { try await plan.visit(rig) }
                switch Int.random(in: 0..<12, using: &random) {
                case 0: rig.leave(rig.device)
                case 1: rig.leave(other)
                case 2...3: rig.serve(by: other)
                case 4...7: rig.serve(by: rig.device)
                default: await Task.yield()
                }
            }
            return try await group.compactMap { $0 }.reduce(into: []) { $0.append($1) }
        }
        #expect(wrong == [])
        try await rig.end()
    }
}
