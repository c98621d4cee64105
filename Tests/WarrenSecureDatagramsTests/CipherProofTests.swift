// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore
import Testing

@testable import WarrenSecureDatagrams

/// What must be noticed before a way to seal is used.
@Suite struct CipherProofTests {
    /// The published way with one fault.
    private struct Faulty: DatagramCipher {
        enum Fault: CaseIterable {
            case refusesToSeal, sealsAnotherByte, sealsAnotherTag, sealsTooMuch, sealsWithoutHeader, forgetsHighCounter
            case opensNothing, opensAnotherByte, opensTooLittle, opensForgeries, opensOtherHeaders, opensCutOnes
        }

        let cipher: PublishedCipher
        let fault: Fault

        func seal(_ payload: ByteBuffer, head: Seal.Head, into datagram: inout ByteBuffer) -> Bool {
            let counter = self.fault == .forgetsHighCounter ? head.counter & 0xFFFF_FFFF : head.counter
            var sealed = ByteBuffer()
            guard self.fault != .refusesToSeal,
                self.cipher.seal(payload, head: Seal.Head(index: head.index, counter: counter), into: &sealed)
            else { return false }
            switch self.fault {
            case .sealsAnotherByte: sealed.change(at: SecureDatagrams.Header.length)
            case .sealsAnotherTag: sealed.change(at: sealed.readableBytes - 1)
            case .sealsTooMuch: sealed.writeInteger(0 as UInt8)
            case .sealsWithoutHeader: sealed.moveReaderIndex(forwardBy: SecureDatagrams.Header.length)
            default: break
            }
            datagram.writeBuffer(&sealed)
            return true
        }

        func open(_ datagram: ByteBuffer, counter: UInt64) -> ByteBuffer? {
            let plain = self.cipher.open(datagram, counter: counter)
            switch self.fault {
            case .opensNothing: return nil
            case .opensAnotherByte:
                var changed = plain
                changed?.change(at: 0)
                return changed
            case .opensTooLittle: return plain.flatMap { $0.getSlice(at: 0, length: max($0.readableBytes - 1, 0)) }
            case .opensForgeries, .opensOtherHeaders, .opensCutOnes: return plain ?? self.believed(datagram)
            default: return plain
            }
        }

        private func believed(_ datagram: ByteBuffer) -> ByteBuffer? {
            switch self.fault {
            case .opensOtherHeaders where datagram.getInteger(at: datagram.readerIndex, as: UInt8.self) == 0x14: nil
            case .opensCutOnes where datagram.readableBytes % 2 == 1: nil
            default: ByteBuffer()
            }
        }
    }

    @Test func holdsForThePublishedWay() { #expect(CipherProof.holds { PublishedCipher($0) }) }

    @Test func doesNotHoldWhereThereIsNothing() { #expect(!CipherProof.holds { _ in nil }) }

    @Test(arguments: Faulty.Fault.allCases) private func doesNotHoldForWhatHasAFault(fault: Faulty.Fault) {
        #expect(!CipherProof.holds { Faulty(cipher: PublishedCipher($0), fault: fault) })
    }
}

extension ByteBuffer {
    fileprivate mutating func change(at offset: Int) {
        let index = self.readerIndex + offset
        guard let byte = self.getInteger(at: index, as: UInt8.self) else { return }
        self.setInteger(byte ^ 1, at: index)
    }
}
