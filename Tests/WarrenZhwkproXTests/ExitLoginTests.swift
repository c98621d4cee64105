// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenZhwkproX

/// How an exit logs in: the table "accept, emit, reject" of the reference, line by line, and the faults it names.
@Suite("zhwkproX exit, login")
struct ExitLoginTests {
    typealias Exit = Harness<ZhwkproX.ExitMachine>

    static let suffix = Array("fake rand strings".utf8)

    @Test func emits800100AndAChallengeInOneWriteEach() throws {
        var (exit, challenge) = try Exit.asking()
        #expect(exit.drain() == [])
        var other = Harness(ZhwkproX.ExitMachine(.init(gap: .zero, usesExtension: false), random: SeededRandom(2)))
        _ = other.drain()
        let asked = other.receive(hex: "80")
        #expect(asked.writes == 1 && asked.written.readableBytes == 23)
        #expect(asked.written.array.dropFirst() != challenge[...])
    }

    @Test("rejects any first byte but 80", arguments: [0x00, 0x05, 0x81, 0xFF] as [UInt8])
    func rejectsOtherVersions(first: UInt8) throws {
        var exit = Harness(ZhwkproX.ExitMachine(.init()))
        _ = exit.drain()
        let actions = exit.receive(ByteBuffer(bytes: [first]))
        #expect(actions == [.close(.violation(WireError(.badMagic, in: "version")))])
        #expect(exit.receive(hex: "80") == [])
    }

    @Test("accepts any suffix", arguments: [0, 1, 8, 17, 32, 233])
    func acceptsAnySuffix(count: Int) throws {
        var (exit, challenge) = try Exit.asking()
        let proof = Exit.proof(challenge, [UInt8](repeating: 7, count: count))
        #expect(exit.receive(proof) == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready])
        #expect(exit.machine.deadline == nil)
    }

    @Test("accepts a proof in every split, and waits for all of it", arguments: [true, false])
    func acceptsEverySplit(strict: Bool) throws {
        let (exit, challenge) = try Exit.asking(.init(strict: strict, gap: .zero, usesExtension: false))
        for chunks in Chunks.everySplit(of: Exit.proof(challenge, Self.suffix)) {
            var exit = exit
            for chunk in chunks.dropLast() { #expect(exit.receive(chunk) == []) }
            #expect(exit.receive(try #require(chunks.last)) == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready])
        }
    }

    @Test("accepts any size byte, after a time in which the rest may come", arguments: UInt8.min ... .max)
    func acceptsAnySize(size: UInt8) throws {
        var (exit, challenge) = try Exit.asking()
        var proof = Exit.proof(challenge, Self.suffix)
        proof.setInteger(size, at: 0)
        // One that is too small, and long enough for the challenge, is believed unless the rest is there already.
        let first = (22..<39).contains(size) ? 40 : 25
        var actions = exit.receive(proof.readSlice(length: first) ?? ByteBuffer())
        actions += exit.receive(proof)
        if exit.machine.deadline != nil { actions += exit.after(AuthReply.grace) }
        #expect(actions == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready])
    }

    @Test func acceptsASizeThatHasWrapped() throws {
        var (exit, challenge) = try Exit.asking()
        let proof = Exit.proof(challenge, [UInt8](repeating: 1, count: 239))
        #expect(proof.readableBytes == 262 && proof.getInteger(at: 0, as: UInt8.self) == 5)
        #expect(exit.receive(proof) == [])
        #expect(exit.after(AuthReply.grace) == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready])
    }

    @Test("strict: rejects a size byte that is not the length", arguments: [0, 21, 22, 38, 40, 255] as [UInt8])
    func strictRejectsOtherSizes(size: UInt8) throws {
        var (exit, challenge) = try Exit.asking(.init(strict: true, gap: .zero, usesExtension: false))
        var proof = Exit.proof(challenge, Self.suffix)
        proof.setInteger(size, at: 0)
        let actions = exit.receive(proof)
        switch size {
        case 40...:
            #expect(actions == [])
            #expect(exit.after(.seconds(10)) == [.close(.timedOut(phase: "login"))])
        case 22...: #expect(actions == [.close(.violation(WireError(.tooLong, in: "auth.reply")))])
        default: #expect(actions == [.close(.violation(WireError(.tooShort, in: "auth.reply")))])
        }
    }

    /// Fault 3: it crashed deployed exits.
    @Test("rejects a proof shorter than the challenge", arguments: 0..<22)
    func rejectsShortProofs(count: Int) throws {
        var (exit, challenge) = try Exit.asking()
        var proof = ByteBuffer(bytes: [UInt8(count)])
        proof.writeBytes(Bytes.cipher.encrypted(challenge).prefix(count))
        #expect(exit.receive(proof) == [])
        #expect(exit.after(AuthReply.grace) == [.close(.violation(WireError(.tooShort, in: "auth.reply")))])
    }

    @Test func aProofThatComesSlowlyHasTheWholeLoginTime() throws {
        var (exit, challenge) = try Exit.asking()
        var proof = Exit.proof(challenge, Self.suffix)
        #expect(exit.receive(proof.readSlice(length: 10) ?? ByteBuffer()) == [])
        #expect(exit.after(AuthReply.grace) == [])
        #expect(exit.after(.seconds(5)) == [])
        #expect(exit.receive(proof) == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready])
    }

    @Test("rejects a wrong bit anywhere in the challenge, without a word", arguments: 0..<22)
    func rejectsWrongProofs(index: Int) throws {
        var (exit, challenge) = try Exit.asking()
        var wrong = challenge
        wrong[index] ^= 1
        #expect(exit.receive(Exit.proof(wrong, Self.suffix)) == [.close(.denied)])
        #expect(exit.receive(Exit.proof(challenge, Self.suffix)) == [])
    }

    @Test func inTheDocumentsDialectAFailureIsSaid() throws {
        let configuration = ZhwkproX.ExitConfiguration(dialect: .document)
        var (exit, challenge) = try Exit.asking(configuration)
        let short = exit
        #expect(exit.receive(Exit.proof(challenge.reversed(), [])) == [.write(ByteBuffer(hex: "00")), .close(.denied)])
        exit = short
        _ = exit.receive(hex: "0100")
        #expect(
            exit.after(AuthReply.grace)
                == [.write(ByteBuffer(hex: "00")), .close(.violation(WireError(.tooShort, in: "auth.reply")))])
        exit = short
        let marked = ZhwkproX.Extension.suffix(random: [], to: challenge, key: .deployed)
        #expect(exit.receive(Exit.proof(challenge, marked)).last == .ready)
        #expect(!exit.machine.isExtended)
    }

    @Test func anotherKeyIsNoProof() throws {
        let other = try ZhwkproX.Key([UInt8](repeating: 1, count: 16))
        var (exit, challenge) = try Exit.asking(.init(key: other))
        var same = exit
        #expect(exit.receive(Exit.proof(challenge, Self.suffix)) == [.close(.denied)])
        var proof = ByteBuffer()
        proof.writeZhwkproXSized(MessageCipher(other).encrypted(challenge))
        #expect(same.receive(proof).last == .ready)
    }

    @Test func silentPeersAreLeftAfterTenSeconds() throws {
        var exit = Harness(ZhwkproX.ExitMachine(.init()))
        _ = exit.drain()
        #expect(exit.machine.deadline == exit.now + .seconds(10))
        #expect(exit.after(.milliseconds(9999)) == [])
        #expect(exit.after(.milliseconds(1)) == [.close(.timedOut(phase: "hello"))])
        var (asking, _) = try Exit.asking()
        #expect(asking.after(.seconds(10)) == [.close(.timedOut(phase: "login"))])
        #expect(asking.machine.deadline == nil)
    }

    @Test func earlyBytesAreBounded() throws {
        var (exit, challenge) = try Exit.asking()
        #expect(exit.receive(ByteBuffer(repeating: 0, count: 1000)) == [])  // a size that means nothing
        #expect(exit.machine.wantsBytes)
        #expect(exit.receive(ByteBuffer(repeating: 0, count: 16 << 10)) == [])
        #expect(!exit.machine.wantsBytes)
        #expect(exit.after(AuthReply.grace) == [.close(.denied)])
        #expect(exit.receive(Exit.proof(challenge, [])) == [])
    }

    @Test func carriersThatEndInTheLogin() throws {
        var (exit, challenge) = try Exit.asking()
        exit.machine.receiveEnd()
        #expect(exit.drain() == [.close(.carrierLost("the inter-server left in login"))])
        var (next, _) = try Exit.asking()
        next.machine.receive(Exit.proof(challenge, Self.suffix))
        next.machine.receiveEnd()
        #expect(next.drain() == [.write(ByteBuffer(hex: "01")), .isolateWrites, .ready, .close(.finished)])
    }
}
