// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore
import Testing
import WarrenTesting

@testable import WarrenSecureDatagrams

@Suite struct CipherTests {
    #if os(Linux)
    private static let isLinux = true
    #else
    private static let isLinux = false
    #endif

    private func sealed(_ payload: ByteBuffer, by cipher: Cipher, counter: UInt64 = 1 << 40 | 7) -> ByteBuffer {
        var datagram = ByteBuffer()
        #expect(cipher.seal(payload, head: Seal.Head(index: 0x0102_0304, counter: counter), into: &datagram))
        return datagram
    }

    /// Without this the direct way might be missing from a build, and nobody would know why it is slow.
    @Test(.enabled(if: Self.isLinux)) func theDirectWayIsInUse() {
        #expect(Cipher.Way.best == .direct)
        #expect(Cipher(SymmetricKey(size: .bits256)).way == .direct)
    }

    @Test func everyWayIsWhatItIsAskedToBe() {
        for way in Cipher.Way.usable { #expect(Cipher(SymmetricKey(size: .bits256), by: way).way == way) }
    }

    @Test func aKeyThatIsTooShortIsLeftToThePublishedWay() {
        #expect(Cipher(SymmetricKey(size: .bits128), by: .direct).way == .published)
    }

    /// Made by OpenSSL.
    @Test(arguments: Cipher.Way.usable) func sealsAsOthersDo(way: Cipher.Way) {
        let cipher = Cipher(SymmetricKey(data: (0..<32).map { UInt8($0) }), by: way)
        let datagram = self.sealed(ByteBuffer(string: "a datagram"), by: cipher, counter: 0x0102_0304_0506_0708)
        #expect(datagram.hex == "14010203040102030405060708" + "6571016fa9806eec62f21ff736b491c570fb58ffe407a93ebd73")
        #expect(cipher.open(datagram, counter: 0x0102_0304_0506_0708) == ByteBuffer(string: "a datagram"))
    }

    @Test(arguments: Cipher.Way.usable, Cipher.Way.usable)
    func waysUnderstandEachOtherAtEveryLength(sealing: Cipher.Way, opening: Cipher.Way) {
        let key = SymmetricKey(size: .bits256)
        let (here, there) = (Cipher(key, by: sealing), Cipher(key, by: opening))
        var random = SeededRandom(3)
        for length in 0...1500 {
            let payload = random.bytes(length)
            let counter = random.next()
            let datagram = self.sealed(payload, by: here, counter: counter)
            #expect(datagram.readableBytes == length + SD.overhead)
            #expect(datagram == self.sealed(payload, by: there, counter: counter))
            #expect(there.open(datagram, counter: counter) == payload)
        }
    }

    @Test(arguments: Cipher.Way.usable) func appendsToWhatIsThere(way: Cipher.Way) {
        let cipher = Cipher(SymmetricKey(size: .bits256), by: way)
        var burst = ByteBuffer()
        for number in 0..<100 {
            #expect(cipher.seal(payload(number), head: Seal.Head(index: 1, counter: UInt64(number)), into: &burst))
        }
        for number in 0..<100 {
            let datagram = burst.readSlice(length: 8 + SD.overhead) ?? ByteBuffer()
            #expect(cipher.open(datagram, counter: UInt64(number)) == payload(number))
        }
        #expect(burst.readableBytes == 0)
    }

    @Test(arguments: Cipher.Way.usable) func opensNothingThatWasChangedOrCut(way: Cipher.Way) {
        let cipher = Cipher(SymmetricKey(size: .bits256), by: way)
        let datagram = self.sealed(ByteBuffer(repeating: 9, count: 40), by: cipher, counter: 5)
        #expect(cipher.open(datagram, counter: 6) == nil)
        #expect(Cipher(SymmetricKey(size: .bits256), by: way).open(datagram, counter: 5) == nil)
        for at in 0..<datagram.readableBytes {
            var changed = datagram
            changed.setInteger((datagram.getInteger(at: at, as: UInt8.self) ?? 0) ^ 1 << UInt8(at % 8), at: at)
            #expect(cipher.open(changed, counter: 5) == nil)
            #expect(cipher.open(datagram.getSlice(at: 0, length: at) ?? datagram, counter: 5) == nil)
        }
        #expect(cipher.open(datagram, counter: 5) != nil)
    }

    @Test(arguments: Cipher.Way.usable) func openingLeavesTheDatagramAsItIs(way: Cipher.Way) {
        let cipher = Cipher(SymmetricKey(size: .bits256), by: way)
        let datagram = self.sealed(ByteBuffer(repeating: 9, count: 40), by: cipher, counter: 5)
        let before = datagram.array
        #expect(cipher.open(datagram, counter: 5) != nil && datagram.array == before)
        #expect(cipher.open(datagram, counter: 4) == nil && datagram.array == before)
    }

    @Test(arguments: Cipher.Way.usable) func showsNothingOfTheKey(way: Cipher.Way) {
        let key = [UInt8](repeating: 0xA7, count: 32)
        let cipher = Cipher(SymmetricKey(data: key), by: way)
        var dumped = ""
        dump(cipher, to: &dumped)
        #expect("\(cipher)" == "a key" && String(reflecting: cipher) == "a key" && dumped == "- a key\n")
    }
}
