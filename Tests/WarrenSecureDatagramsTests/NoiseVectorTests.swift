// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import NIOCore
import Testing
import WarrenTesting

@testable import WarrenSecureDatagrams

/// The published vectors of cacophony for the two patterns, as other implementations use them.
@Suite struct NoiseVectorTests {
    struct Vector: Decodable {
        struct Message: Decodable {
            let payload: String
            let ciphertext: String
        }

        let protocolName: String
        let initPrologue: String
        let initPsks: [String]?
        let initStatic: String?
        let initEphemeral: String
        let respStatic: String?
        let respEphemeral: String
        let initRemoteStatic: String?
        let handshakeHash: String
        let messages: [Message]
    }

    private func key(_ hex: String?) throws -> Curve25519.KeyAgreement.PrivateKey? {
        try hex.map { try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: ByteBuffer(hex: $0).array) }
    }

    private func state(_ vector: Vector, isInitiator: Bool) throws -> Noise.HandshakeState {
        let pattern: Noise.Pattern = vector.initPsks == nil ? .ik : .nnPsk0
        #expect(pattern.protocolName == vector.protocolName)
        return Noise.HandshakeState(
            pattern, isInitiator: isInitiator, prologue: ByteBuffer(hex: vector.initPrologue).array,
            psk: vector.initPsks?.first.map { ByteBuffer(hex: $0).array } ?? [],
            own: try self.key(isInitiator ? vector.initStatic : vector.respStatic),
            remote: isInitiator ? vector.initRemoteStatic.map { ByteBuffer(hex: $0).array } : nil,
            ephemeral: try #require(try self.key(isInitiator ? vector.initEphemeral : vector.respEphemeral)))
    }

    @Test func writesAndReadsEveryByteOfThePublishedHandshakes() throws {
        let vectors = try Fixture.load("noise", as: [Vector].self)
        #expect(vectors.count == 2)
        for vector in vectors {
            var initiator = try self.state(vector, isInitiator: true)
            var responder = try self.state(vector, isInitiator: false)
            let messages = vector.messages.map {
                (plain: ByteBuffer(hex: $0.payload).array, sealed: ByteBuffer(hex: $0.ciphertext).array)
            }
            #expect(try initiator.write(messages[0].plain) == messages[0].sealed)
            #expect(try responder.read(messages[0].sealed) == messages[0].plain)
            #expect(try responder.write(messages[1].plain) == messages[1].sealed)
            #expect(try initiator.read(messages[1].sealed) == messages[1].plain)
            #expect(ByteBuffer(bytes: initiator.symmetric.hash).hex == vector.handshakeHash)
            #expect(initiator.symmetric.hash == responder.symmetric.hash)
            #expect(initiator.symmetric.chainingKey == responder.symmetric.chainingKey)
            let keys = initiator.symmetric.split()
            for (number, message) in messages.dropFirst(2).enumerated() {
                let box = try AES.GCM.seal(
                    message.plain, using: number % 2 == 0 ? keys.initiator : keys.responder,
                    nonce: Seal.nonce(UInt64(number / 2)), authenticating: [UInt8]())
                #expect(Array(box.ciphertext) + Array(box.tag) == message.sealed)
            }
        }
    }

    @Test func refusesEveryChangedBitAndEveryShorterMessage() throws {
        for vector in try Fixture.load("noise", as: [Vector].self) {
            let message = ByteBuffer(hex: vector.messages[0].ciphertext).array
            for at in message.indices {
                var changed = message
                changed[at] ^= 1 << UInt8(at % 8)
                var responder = try self.state(vector, isInitiator: false)
                // X25519 does not read the highest bit of a point; the hash does.
                #expect(throws: Noise.Refused.self) { try responder.read(changed) }
            }
            for length in message.indices {
                var responder = try self.state(vector, isInitiator: false)
                #expect(throws: Noise.Refused.self) { try responder.read(Array(message.prefix(length))) }
            }
        }
    }

    @Test func refusesPointsThatGiveNoSecret() throws {
        for vector in try Fixture.load("noise", as: [Vector].self) {
            var initiator = try self.state(vector, isInitiator: true)
            _ = try initiator.write([])
            #expect(throws: Noise.Refused.self) {
                try initiator.read([UInt8](repeating: 0, count: 32) + [UInt8](repeating: 1, count: 16))
            }
        }
    }
}
