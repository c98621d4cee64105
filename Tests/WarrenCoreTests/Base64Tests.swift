// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenCore

@Suite struct Base64Tests {
    @Test(
        "reads the test vectors of RFC 4648",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
    )
    func readsVectors(_ plain: String, _ encoded: String) {
        #expect(Base64.decode(Array(encoded.utf8)) == Array(plain.utf8))
    }

    @Test func readsEveryDigit() {
        let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        let bytes = Base64.decode(Array(digits.utf8)) ?? []
        #expect(bytes.count == 48)
        #expect(bytes.prefix(6) == [0x00, 0x10, 0x83, 0x10, 0x51, 0x87])
        #expect(bytes.suffix(6) == [0xE3, 0x9E, 0xBB, 0xF3, 0xDF, 0xBF])
    }

    @Test(
        "refuses what is not strict",
        arguments: [
            "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm-v", "Zm_v", " Zm9v", "Zm=v",
        ]
    )
    func refuses(_ text: String) { #expect(Base64.decode(Array(text.utf8)) == nil) }

    @Test func base64IsThatOfJava() {
        for count in 0..<50 {
            let bytes = (0..<count).map { UInt8($0 * 37 & 0xFF) }
            let encoded = Base64.encode(bytes)
            #expect(String(decoding: encoded, as: UTF8.self) == Data(bytes).base64EncodedString())
            #expect(Base64.decode(encoded) == bytes)
            #expect(Base64.decode(encoded.filter { $0 != UInt8(ascii: "=") }, .java) == bytes)
        }
        for bad in ["A", "A===", "AA=A", "A A=", "AA\r\n", "AAAA=", "AA="] {
            #expect(Base64.decode(Array(bad.utf8), .java) == nil, "\(bad)")
        }
    }
}
