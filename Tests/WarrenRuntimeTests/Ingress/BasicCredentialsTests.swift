// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore

@testable import WarrenRuntime

@Suite("Basic credentials") struct BasicCredentialsTests {
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
