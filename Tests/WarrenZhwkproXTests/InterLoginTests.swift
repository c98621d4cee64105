// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// How an inter-server takes an exit in: the table "accept, emit, reject" of the reference, line by line.
@Suite("zhwkproX inter-server, login")
struct InterLoginTests {
    typealias Inter = Harness<ZhwkproX.InterMachine>

    @Test("accepts any method list", arguments: [0, 1, 2, 255])
    func acceptsAnyMethods(count: Int) {
        var inter = Harness(ZhwkproX.InterMachine(.init()))
        let hello = ByteBuffer(bytes: [0x80, UInt8(count)] + [UInt8](repeating: 9, count: count))
        #expect(inter.receive(hello) == [.write(ByteBuffer(hex: "80"))])
    }

    @Test("rejects any first byte but 80", arguments: [0, 5, 0x7F, 0x81, 0xFF] as [UInt8])
    func rejectsOtherVersions(first: UInt8) {
        var inter = Harness(ZhwkproX.InterMachine(.init()))
        #expect(
            inter.receive(ByteBuffer(bytes: [first]))
                == [.close(.violation(WireError(.badMagic, in: "hello.version")))])
    }

    @Test("answers a challenge of any length in one write", arguments: [0, 1, 3, 22, 239, 255])
    func answersAnyChallenge(count: Int) throws {
        for seed in UInt64(0)..<20 {
            var inter = Harness(ZhwkproX.InterMachine(.init(), random: SeededRandom(seed)))
            _ = inter.receive(hex: "800100")
            let challenge = SeededRandom.bytes(count)
            let actions = inter.receive(ByteBuffer(bytes: [UInt8(count)] + challenge))
            #expect(actions.count == 1 && actions.writes == 1)
            let answer = actions.written.array
            let plain = Bytes.cipher.decrypted(Array(answer.dropFirst()))
            #expect(Int(answer[0]) == plain.count % 256)
            #expect(Array(plain.prefix(count)) == challenge)
            #expect((8...32).contains(plain.count - count))
        }
    }

    @Test func suffixesAreRandom() {
        let answers = (UInt64(0)..<2).map { seed in
            var inter = Harness(ZhwkproX.InterMachine(.init(), random: SeededRandom(seed)))
            _ = inter.receive(hex: "800100")
            return inter.receive(hex: "0178").written
        }
        #expect(answers[0] != answers[1])
    }

    @Test("accepts any verdict but 00", arguments: 1...UInt8.max)
    func acceptsAnyVerdict(verdict: UInt8) {
        var inter = Harness(ZhwkproX.InterMachine(.init()))
        _ = inter.receive(hex: "800100 0178")
        #expect(inter.receive(ByteBuffer(bytes: [verdict])) == [.isolateWrites, .ready])
        #expect(!inter.machine.isExtended)
    }

    /// A deployed one reads on, and takes a later 01.
    @Test func rejectsTheVerdict00() {
        var inter = Harness(ZhwkproX.InterMachine(.init()))
        _ = inter.receive(hex: "800100 0178")
        #expect(inter.receive(hex: "00 01") == [.close(.rejected("wrong key"))])
    }

    @Test func acceptsALoginInEverySplitAndAllAtOnce() {
        let login = ByteBuffer(hex: "800100 03616263 01")
        for chunks in Chunks.everySplit(of: login) {
            var inter = Harness(ZhwkproX.InterMachine(.init(), random: SeededRandom(1)))
            var actions: [SessionAction] = []
            for chunk in chunks { actions += inter.receive(chunk) }
            #expect(actions.writes == 2 && actions.last == .ready)
        }
    }

    @Test func streamsBeforeTheLoginAreRefused() {
        var inter = Harness(ZhwkproX.InterMachine(.init()))
        _ = inter.receive(hex: "800100 0178")
        #expect(throws: StreamFault.sessionLost) {
            try inter.machine.open(Bytes.request(Bytes.v4), now: inter.now)
        }
    }

    @Test(
        "silent exits are left after ten seconds",
        arguments: ["", "80", "80ff00", "800100", "800100 2261", "800100 0178"])
    func silentExits(sent: String) {
        var inter = Harness(ZhwkproX.InterMachine(.init()))
        _ = inter.receive(hex: sent)
        #expect(inter.after(.milliseconds(9999)) == [])
        let phase = sent.hasPrefix("800100") ? "login" : "hello"
        #expect(inter.after(.milliseconds(1)) == [.close(.timedOut(phase: phase))])
    }

    @Test func earlyBytesAreBounded() {
        var inter = Harness(ZhwkproX.InterMachine(.init()))
        _ = inter.receive(hex: "800100")
        inter.machine.receive(ByteBuffer(repeating: 0xFF, count: 255))
        #expect(inter.machine.wantsBytes)
        inter.machine.receive(ByteBuffer(repeating: 0xFF, count: 16 << 10))
        #expect(!inter.machine.wantsBytes)
    }

    @Test func carriersThatEndInTheLogin() {
        var inter = Harness(ZhwkproX.InterMachine(.init()))
        _ = inter.receive(hex: "800100 02")
        inter.machine.receiveEnd()
        #expect(inter.drain() == [.close(.carrierLost("the exit left in login"))])
    }
}
