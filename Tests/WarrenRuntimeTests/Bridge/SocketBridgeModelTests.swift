// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting
import WarrenTesting

@testable import WarrenRuntime

/// Two real sockets, the legs on them and the bridge between: whatever their peers do, in any order.
@Suite("Relays of sockets: any peers") struct SocketRelayModelTests {
    @Test func whatGoesInComesOut() throws {
        for run in 0..<ModelRuns.count {
            let model = try SocketRelayModel(seed: UInt64(run))
            try model.run()
            #expect(model.complaints.isEmpty, "seed \(run): \(model.complaints)")
            if !model.complaints.isEmpty { return }
        }
    }
}

private final class SocketRelayModel {
    private final class Side {
        let pair: LocalPair
        let leg: SocketLeg
        var said = ByteBuffer()
        var heard = ByteBuffer()
        var hasFinished = false
        var hasLeft = false

        init(on loop: SocketLoop, room: CInt) throws {
            self.pair = try LocalPair(on: loop, room: room)
            self.leg = self.pair.makeLeg()
        }
    }

    /// What the peers say is cut out of this.
    private static let content: ByteBuffer = {
        var random = SeededRandom(1)
        return random.bytes(400_000)
    }()

    private var random: SeededRandom
    private let loop = SocketLoop.manual()
    private let sides: [Side]
    private var reports: [BridgeReport] = []
    private(set) var complaints: [String] = []
    private var wasBroken = false
    private var bridge: Bridge?

    init(seed: UInt64) throws {
        var random = SeededRandom(seed)
        let loop = self.loop
        self.sides = try (0..<2).map { _ in
            try Side(on: loop, room: CInt([4096, 20_000, 200_000].randomElement(using: &random) ?? 4096))
        }
        self.random = random
    }

    func run() throws {
        let bridge = Bridge(front: self.sides[0].leg, back: self.sides[1].leg, on: self.loop) { [unowned self] in
            self.reports.append($0)
        }
        self.bridge = bridge
        bridge.begin()
        for _ in 0..<Int.random(in: 1...80, using: &self.random) where self.complaints.isEmpty { self.step(bridge) }
        self.finishAll(bridge)
        self.check()
    }

    private func step(_ bridge: Bridge) {
        let index = Int.random(in: 0..<2, using: &self.random)
        let side = self.sides[index]
        switch Int.random(in: 0..<40, using: &self.random) {
        case 0..<14: self.speak(side)
        case 14..<22: self.hear(side, Int.random(in: 1...100_000, using: &self.random))
        case 22..<34: side.pair.turn()
        case 34, 35: self.finish(side)
        case 36:
            guard !side.hasLeft, Int.random(in: 0..<4, using: &self.random) == 0 else { return }
            // Over a full socket or one with unread bytes this is a reset, else an end; anything may be lost.
            (side.hasLeft, self.wasBroken) = (true, true)
            side.pair.close()
        case 37:
            guard Int.random(in: 0..<8, using: &self.random) == 0 else { return }
            self.wasBroken = true
            bridge.cancel(.idle)
        case 38: self.loop.advance(by: .milliseconds(Int64.random(in: 1...1500, using: &self.random)))
        default: _ = bridge.isIdle(since: self.loop.now)
        }
    }

    private func speak(_ side: Side) {
        guard !side.hasFinished, !side.hasLeft else { return }
        let most = [10, 3000, 3000, 300_000].randomElement(using: &self.random) ?? 10
        let length = Int.random(in: 1...most, using: &self.random)
        let start = Int.random(in: 0...(Self.content.readableBytes - length), using: &self.random)
        guard var bytes = Self.content.getSlice(at: start, length: length) else { return }
        let count = max(0, side.pair.send(bytes))
        if let sent = bytes.readSlice(length: count) { side.said.writeImmutableBuffer(sent) }
    }

    private func hear(_ side: Side, _ most: Int = .max) {
        guard !side.hasLeft else { return }
        side.heard.writeImmutableBuffer(side.pair.drain(most))
    }

    private func finish(_ side: Side) {
        guard !side.hasFinished, !side.hasLeft else { return }
        side.hasFinished = true
        side.pair.finish()
    }

    /// Everybody says no more and hears everything.
    private func finishAll(_ bridge: Bridge) {
        for round in 0..<400 where self.reports.isEmpty {
            for side in self.sides {
                if round > 0 { self.finish(side) }
                self.hear(side)
                side.pair.turn()
            }
            if self.wasBroken { self.loop.advance(by: .seconds(3)) }
        }
        for side in self.sides { self.hear(side) }
    }

    private func check() {
        guard self.reports.count == 1, let report = self.reports.first else {
            self.bridge?.cancel(.failed)
            return self.complaints.append("\(self.reports.count) reports")
        }
        for side in self.sides {
            if !side.leg.socket.isClosed { self.complaints.append("a socket is left") }
            if side.leg.piped > 0 || side.leg.pipe != nil { self.complaints.append("a pipe is left") }
        }
        if self.loop.timers.count > 0 { self.complaints.append("a timer is left") }
        let (front, back) = (self.sides[0], self.sides[1])
        for (from, to) in [(front, back), (back, front)] {
            let said = from.said.getSlice(at: 0, length: to.heard.readableBytes)
            if said != to.heard { self.complaints.append("other bytes") }
        }
        guard !self.wasBroken else { return }
        if report.fault != nil { self.complaints.append("fault \(String(describing: report.fault))") }
        if front.said != back.heard || back.said != front.heard { self.complaints.append("bytes were lost") }
        if front.pair.end != .finished || back.pair.end != .finished { self.complaints.append("no orderly end") }
        if report.bytesIn != front.said.readableBytes || report.bytesOut != back.said.readableBytes {
            self.complaints.append("counted \(report.bytesIn), \(report.bytesOut)")
        }
    }
}
