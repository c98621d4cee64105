// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("Basic credentials") struct BasicCredentialsTests {
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

    static func claim(_ text: String) -> Claim? { Claim(basic: ByteBuffer(string: text).readableBytesView) }

    @Test(
        "reads a login",
        arguments: [
            // RFC 7617, sections 2 and 2.1.
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),
            ("Basic dGVzdDoxMjPCow==", "test", "123£"),
            ("basic YWxpY2U6c2VjcmV0", "alice", "secret"), ("BASIC  YWxpY2U6c2VjcmV0", "alice", "secret"),
            ("Basic YTpiOmM=", "a", "b:c"), ("Basic Og==", "", ""),
        ]
    )
    func readsLogin(_ value: String, _ user: String, _ password: String) {
        #expect(Self.claim(value) == Claim(identity: Array(user.utf8), proof: Array(password.utf8)))
    }

    @Test(
        "refuses other values",
        arguments: ["", "Basic", "Basic ", "Basic YWxpY2U=", "Bearer YTpi", "BasicYTpi", "Basic YTp"])
    func refusesLogin(_ value: String) { #expect(Self.claim(value) == nil) }
}
