// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// The machines of `mixed` behind their detector: any first bytes in any cuts, time and ends at any moment.
@Suite("Detector: any first bytes") struct DetectorModelTests {
    @Test func tellsFrontsApart() {
        for run in 0..<ModelRuns.count {
            let model = DetectorModel(seed: UInt64(run))
            model.run()
            #expect(model.complaints.isEmpty, "seed \(run), \(model.bytes): \(model.complaints)")
            if !model.complaints.isEmpty { return }
        }
    }
}

private final class Heard: LegEvents {
    let needs = LegNeeds()
    var bytes: [UInt8] = []
    var unburst = 0
    var finishes = 0
    var ends = 0
    func received(_ bytes: ByteBuffer, by leg: any Leg) {
        self.bytes += Array(bytes.readableBytesView)
        self.unburst += 1
    }
    func receivedBurst(by leg: any Leg) { self.unburst = 0 }
    func finished(by leg: any Leg) { self.finishes += 1 }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) {}
    func ended(_ leg: any Leg, _ fault: StreamFault?) { self.ends += 1 }
}

private final class DetectorModel {
    private enum Kind: String { case socks5, socks4, http, stranger, open }

    let bytes: [UInt8]
    private(set) var complaints: [String] = []
    private var random: SeededRandom
    private let loop = SocketLoop.manual()
    private let leg = ScriptedLeg()
    private let heard = Heard()
    private var installed: [Kind] = []
    private var strangers: [[UInt8]] = []
    private var fed = 0
    private var isOver = false
    private let cannotInstall: Bool

    init(seed: UInt64) {
        var random = SeededRandom(seed)
        self.bytes = Self.bytes(&random)
        self.cannotInstall = Int.random(in: 0..<20, using: &random) == 0
        self.random = random
    }

    private static func bytes(_ random: inout SeededRandom) -> [UInt8] {
        let any = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        let token = Array("!#$%&'*+-.^_`|~09azAZ".utf8)
        let method = (0..<Int.random(in: 1...70, using: &random)).compactMap { _ in token.randomElement(using: &random)
        }
        let lines = Array(String(repeating: "\r\n", count: Int.random(in: 0...3, using: &random)).utf8)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: return any
        case 1: return [5] + any
        case 2: return [4] + any
        case 3, 4: return lines + method + Array(" http://a/ HTTP/1.1\r\n\r\n".utf8) + any
        case 5: return lines + method + any
        default: return lines + Array("GET http://a/".utf8)
        }
    }

    /// What the first bytes are, told in another way than the detector's.
    private func kind(of count: Int) -> Kind {
        let head = self.bytes.prefix(count)
        guard let first = head.first else { return .open }
        if first == 5 { return .socks5 }
        if first == 4 { return .socks4 }
        var text = head
        while text.starts(with: [13, 10]) { text = text.dropFirst(2) }
        let isLetter: (UInt8) -> Bool = {
            Array("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8).contains($0)
        }
        let rest = text.drop(while: isLetter)
        if rest.isEmpty || (rest.count == 1 && rest.first == 13 && text.count == 1) {
            return count >= 64 ? .http : .open
        }
        return rest.first == 32 && rest.count < text.count ? .http : .stranger
    }

    func run() {
        let fronts: [(Kind, (ByteBufferView) -> Detection)] = [
            (.socks5, SOCKS5Server.detect), (.socks4, SOCKS4Server.detect), (.http, HTTPProxyServer.detect),
        ]
        let candidates = fronts.map { kind, detect in
            Detector.Candidate(detect: detect) { leg in
                self.installed.append(kind)
                if self.cannotInstall { throw StreamFault.failed }
                leg.events = self.heard
                leg.begin()
            }
        }
        Detector(self.leg, candidates) { self.strangers.append(Array($0.readableBytesView)) }
            .start(timeout: .seconds(10), on: self.loop)
        while self.step() && self.complaints.isEmpty { self.look() }
        self.look()
        self.loop.advance(by: .hours(1))
        self.isOver = true
        self.look()
    }

    private var isTold: Bool { !self.installed.isEmpty || !self.strangers.isEmpty }

    private func step() -> Bool {
        switch Int.random(in: 0..<12, using: &self.random) {
        case 0 where !self.isTold:
            self.loop.advance(by: .seconds(11))
            if self.strangers.count != 1 { self.complaints.append("waits for ever") }
            return false
        case 1 where Int.random(in: 0..<4, using: &self.random) == 0:
            let wasTold = self.isTold
            self.leg.receiveEnd()
            if !wasTold && self.strangers.count != 1 {
                self.complaints.append("an end before the answer is a stranger's")
            }
            return false
        case 2 where Int.random(in: 0..<6, using: &self.random) == 0:
            let strangers = self.strangers.count
            self.leg.isGone(.aborted)
            if self.strangers.count != strangers { self.complaints.append("one who goes away is no stranger") }
            return false
        default:
            guard self.fed < self.bytes.count else { return false }
            let count = min(Int.random(in: 1...12, using: &self.random), self.bytes.count - self.fed)
            self.leg.events?.received(ByteBuffer(bytes: self.bytes[self.fed..<(self.fed + count)]), by: self.leg)
            self.leg.events?.receivedBurst(by: self.leg)
            self.fed += count
            return self.strangers.isEmpty
        }
    }

    private func look() {
        if self.installed.count + self.strangers.count > 1 { self.complaints.append("told more than once") }
        if self.heard.unburst > 0 { self.complaints.append("a burst without an end") }
        if let kind = self.installed.first, !self.cannotInstall {
            // Told at the first cut at which it could be.
            if self.kind(of: self.fed) != kind, self.kind(of: min(self.fed, 64)) != kind {
                self.complaints.append("taken for \(kind)")
            }
            if self.heard.bytes != Array(self.bytes.prefix(self.fed)) { self.complaints.append("bytes were lost") }
        }
        if self.cannotInstall, !self.installed.isEmpty, self.leg.calls.last != .end(.aborted) {
            self.complaints.append("a connection that nobody has")
        }
        if !self.strangers.isEmpty, self.leg.events != nil || self.leg.calls.last != .end(nil) {
            self.complaints.append("a stranger is kept")
        }
        if self.isOver && self.loop.timers.count > 0 { self.complaints.append("a timer is left") }
        if !self.isTold, self.kind(of: self.fed) != .open, self.leg.events != nil { self.complaints.append("not told") }
    }
}
