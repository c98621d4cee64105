// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// Random sequences of good and bad frames in random cuts, against a reader that was written apart from ours.
@Suite struct WebSocketModelTests {
    @Test("what is delivered, answered and refused is what RFC 6455 says", arguments: [true, false])
    func model(isServer: Bool) throws {
        for seed in 0..<ModelRuns.count {
            var random = SeededRandom(UInt64(seed) * 2 + (isServer ? 1 : 0))
            try Self.run(isServer, seed, &random)
        }
    }

    private static func run(_ isServer: Bool, _ seed: Int, _ random: inout SeededRandom) throws {
        let rig = isServer ? try RawRig.server() : RawRig.client()
        let bytes = FrameWriter.sequence(isMasked: isServer, &random)
        let expected = Reference(reading: bytes, isMasked: isServer)
        // Now and then a read brings many frames.
        let most = seed % 3 == 0 ? 5000 : 60
        for piece in Chunks.random(ByteBuffer(bytes: bytes), most: most, using: &random) { rig.raw.send(piece) }
        #expect(expected.mayBeDelivered(Array(rig.probe.bytes.readableBytesView)), "seed \(seed)")
        let sent = rig.raw.frames
        let pongs = sent.filter { $0.first == RawFrame.pong }.map { Array($0.payload.readableBytesView) }
        #expect(expected.mayBeAnswered(by: pongs), "seed \(seed)")
        switch expected.end {
        case .none:
            #expect(!rig.probe.hasFinished && rig.probe.ends.isEmpty, "seed \(seed)")
            rig.raw.finish()
            #expect(rig.probe.ends == [.aborted], "seed \(seed)")
        case .orderly:
            #expect(rig.probe.hasFinished && rig.probe.ends.isEmpty, "seed \(seed)")
            rig.leg?.finish()
            rig.raw.finish()
            rig.loop.advance(by: .seconds(3))
            #expect(rig.probe.ends == [nil], "seed \(seed)")
        case .gaveUp:
            rig.raw.finish()
            #expect(!rig.probe.hasFinished && rig.probe.ends == [.aborted], "seed \(seed)")
        case .violation(let code):
            #expect(sent.last == RawFrame(RawFrame.close, ByteBuffer(integer: code)), "seed \(seed)")
            rig.raw.finish()
            #expect(!rig.probe.hasFinished && rig.probe.ends == [.failed], "seed \(seed)")
        }
    }
}

/// Frames as a peer may send them, most of them good.
private enum FrameWriter {
    static func sequence(isMasked: Bool, _ random: inout SeededRandom) -> [UInt8] {
        var bytes: [UInt8] = []
        var isInMessage = false
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let isBad = Int.random(in: 0..<20, using: &random) == 0
            bytes +=
                isBad
                ? Self.bad(isMasked, isInMessage, &random) : Self.good(isMasked, &isInMessage, &random)
        }
        return bytes
    }

    private static func good(_ isMasked: Bool, _ isInMessage: inout Bool, _ random: inout SeededRandom) -> [UInt8] {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return Self.frame(0x89, Self.text(0...125, &random), isMasked, &random)
        case 1: return Self.frame(0x8A, Self.text(0...125, &random), isMasked, &random)
        case 2 where Int.random(in: 0..<3, using: &random) == 0: return Self.close(isMasked, &random)
        default:
            let isLast = Bool.random(using: &random)
            let opcode: UInt8 = isInMessage ? 0 : .random(in: 1...2, using: &random)
            isInMessage = !isLast
            // ASCII as a rule: few other bytes are a text.
            let most: UInt8 = Int.random(in: 0..<10, using: &random) == 0 ? 255 : 127
            let payload = Self.text(0...300, most: most, &random)
            return Self.frame(opcode | (isLast ? 0x80 : 0), payload, isMasked, &random)
        }
    }

    private static func bad(_ isMasked: Bool, _ isInMessage: Bool, _ random: inout SeededRandom) -> [UInt8] {
        let text = Self.text(1...20, &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return Self.frame(0x82, text, !isMasked, &random)
        case 1:
            return Self.frame(0x82 | [0x10, 0x20, 0x40, 0x70].randomElement(using: &random)!, text, isMasked, &random)
        case 2: return Self.frame([0x83, 0x87, 0x8B, 0x8F].randomElement(using: &random)!, text, isMasked, &random)
        case 3: return Self.frame(isInMessage ? 0x82 : 0x80, text, isMasked, &random)
        case 4: return Self.frame([0x08, 0x09, 0x0A].randomElement(using: &random)!, text, isMasked, &random)
        case 5: return Self.frame(0x89, Self.text(126...130, &random), isMasked, &random)
        case 6:
            let codes: [UInt16] = [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, .max]
            let code = codes.randomElement(using: &random)!
            return Self.frame(0x88, [UInt8(code >> 8), UInt8(code & 0xFF)], isMasked, &random)
        default:
            let bad: [[UInt8]] = [[3], [3, 0xE8, 0xFF], [3, 0xE8, 0xC3], [3, 0xE8, 0xED, 0xA0, 0x80]]
            return Self.frame(0x88, bad.randomElement(using: &random)!, isMasked, &random)
        }
    }

    private static func close(_ isMasked: Bool, _ random: inout SeededRandom) -> [UInt8] {
        let codes: [UInt16?] = [nil, 1000, 1001, 1002, 1008, 1011, 3001, 4999]
        guard let code = codes.randomElement(using: &random)! else { return Self.frame(0x88, [], isMasked, &random) }
        let payload =
            [UInt8(code >> 8), UInt8(code & 0xFF)] + Array("grüße".utf8).prefix(Bool.random(using: &random) ? 0 : 7)
        return Self.frame(0x88, payload, isMasked, &random)
    }

    private static func text(
        _ count: ClosedRange<Int>, most: UInt8 = 255, _ random: inout SeededRandom
    ) -> [UInt8] {
        (0..<Int.random(in: count, using: &random)).map { _ in .random(in: 0...most, using: &random) }
    }

    private static func frame(
        _ first: UInt8, _ payload: [UInt8], _ isMasked: Bool, _ random: inout SeededRandom
    ) -> [UInt8] {
        let mask = isMasked ? (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) } : nil
        return Array(RawFrame(first, ByteBuffer(bytes: payload)).bytes(mask: mask).readableBytesView)
    }
}

/// Reads byte by byte, in the words of the standard.
private struct Reference {
    enum End: Hashable {
        case none
        case orderly
        case gaveUp
        case violation(UInt16)
    }

    private(set) var payload: [UInt8] = []
    /// Of the frame that is no text: pieces of it may have been passed on before it was known.
    private var broken: [UInt8] = []
    private(set) var pings: [[UInt8]] = []
    private(set) var end = End.none
    private var isContinued = false
    private var text: [UInt8]?

    init(reading bytes: [UInt8], isMasked: Bool) {
        var rest = bytes[...]
        while self.end == .none, rest.count >= 2 {
            let first = rest.removeFirst()
            let second = rest.removeFirst()
            var count = Int(second & 127)
            if count == 126 {
                count = rest.prefix(2).reduce(0) { $0 * 256 + Int($1) }
                rest = rest.dropFirst(2)
            }
            let hasMask = second >= 128
            let mask = hasMask ? Array(rest.prefix(4)) : [0, 0, 0, 0]
            if hasMask { rest = rest.dropFirst(4) }
            let data = rest.prefix(count).enumerated().map { $0.element ^ mask[$0.offset & 3] }
            rest = rest.dropFirst(count)
            self.take(first, data, isRight: hasMask == isMasked)
        }
    }

    private mutating func take(_ first: UInt8, _ data: [UInt8], isRight: Bool) {
        let (isFinal, opcode) = (first & 0x80 != 0, first & 0x0F)
        switch opcode {
        case _ where !isRight || first & 0x70 != 0: self.end = .violation(1002)
        case 0 where self.isContinued, 1 where !self.isContinued, 2 where !self.isContinued:
            self.isContinued = !isFinal
            if opcode != 0 { self.text = opcode == 1 ? [] : nil }
            self.text? += data
            guard self.text.map({ Self.isText($0, isWhole: isFinal) }) ?? true else {
                self.end = .violation(1007)
                self.broken = data
                return
            }
            self.payload += data
        case 8...10 where !isFinal || data.count > 125: self.end = .violation(1002)
        case 8: self.end = Self.close(data)
        case 9: self.pings.append(data)
        case 10: break
        default: self.end = .violation(1002)
        }
    }

    /// Whether it is UTF-8, or, where more may come, could become it.
    private static func isText(_ bytes: [UInt8], isWhole: Bool) -> Bool {
        let further: [[UInt8]] = [
            [0x80], [0x90], [0xA0], [0x80, 0x80], [0x90, 0x80], [0xA0, 0x80], [0x80, 0x80, 0x80], [0x90, 0x80, 0x80],
        ]
        return ([[]] + (isWhole ? [] : further)).contains { String(validating: bytes + $0, as: UTF8.self) != nil }
    }

    private static func close(_ data: [UInt8]) -> End {
        guard !data.isEmpty else { return .orderly }
        guard data.count > 1 else { return .violation(1002) }
        let code = Int(data[0]) << 8 | Int(data[1])
        let isError = [1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].contains(code)
        guard isError || code == 1000 || code == 1001 || (3000..<5000).contains(code) else { return .violation(1002) }
        guard String(bytes: data.dropFirst(2), encoding: .utf8) != nil else { return .violation(1007) }
        return isError ? .gaveUp : .orderly
    }

    /// All that is good, and at most the part of a broken text that came before its fault.
    func mayBeDelivered(_ bytes: [UInt8]) -> Bool {
        guard bytes.starts(with: self.payload) else { return false }
        let rest = bytes.dropFirst(self.payload.count)
        return rest.count < max(1, self.broken.count) && self.broken.starts(with: rest)
    }

    /// Pings may be answered together: some of them, in order, and the last one unless there is an end.
    func mayBeAnswered(by pongs: [[UInt8]]) -> Bool {
        var asked = self.pings[...]
        for pong in pongs {
            guard let index = asked.firstIndex(of: pong) else { return false }
            asked = asked[(index + 1)...]
        }
        return self.end != .none || pongs.last == self.pings.last
    }
}
