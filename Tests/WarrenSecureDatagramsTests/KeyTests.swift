// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WarrenSecureDatagrams

@Suite struct KeyTests {
    @Test func readsWhatItWrites() throws {
        let shared = SD.SharedKey()
        #expect(try SD.SharedKey(parsing: shared.text + "\r\n").bytes == shared.bytes)
        let own = SD.PrivateKey()
        #expect(try SD.PrivateKey(parsing: "  \(own.text)\n").publicKey == own.publicKey)
        #expect(try SD.PublicKey(parsing: own.publicKey.text) == own.publicKey)
        #expect(own.text.hasPrefix("warren-vproxy-private:") && own.publicKey.text.hasPrefix("warren-vproxy-public:"))
        #expect(SD.SharedKey().bytes != shared.bytes)
    }

    @Test func saysWhatIsWrongAndNothingOfTheKey() {
        let secret = SD.PrivateKey().text
        let digits = String(secret.dropFirst("warren-vproxy-private:".count))
        let cases: [(String, SD.KeyFailure)] = [
            ("", .empty), (" \n", .empty), (digits, .noPrefix(expected: "warren-vproxy-public:")),
            (secret, .otherKind(expected: "warren-vproxy-public:", found: "warren-vproxy-private:")),
            ("warren-vproxy-public:\(digits)\nwarren-vproxy-public:\(digits)", .tooManyLines),
            ("warren-vproxy-public:", .notAKey(expected: "warren-vproxy-public:")),
            ("warren-vproxy-public:\(digits.dropLast())", .notAKey(expected: "warren-vproxy-public:")),
            ("warren-vproxy-public:\(digits)AAAA", .notAKey(expected: "warren-vproxy-public:")),
            ("warren-vproxy-public:!\(digits.dropFirst())", .notAKey(expected: "warren-vproxy-public:")),
        ]
        for (text, failure) in cases {
            #expect(throws: failure) { try SD.PublicKey(parsing: text) }
            #expect(!failure.description.contains(digits.prefix(8)))
        }
    }

    @Test func printsNoSecret() {
        let (shared, own) = (SD.SharedKey(), SD.PrivateKey())
        var dumped = ""
        dump(shared, to: &dumped)
        dump(own, to: &dumped)
        dump(SD.InitiatorKey.pair(own: own, server: own.publicKey), to: &dumped)
        #expect("\(shared) \(own)" == "a shared key a private key")
        for secret in [shared.text, own.text].map({ $0.drop { $0 != ":" }.dropFirst() }) {
            #expect(!dumped.contains(secret.prefix(8)))
        }
    }
}
