// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOSSL
import Testing
import WarrenConfiguration
import WarrenTesting

@testable import WarrenAssembly

@Suite struct TrustedCertificateTests {
    private static func der(_ pem: String) throws -> [UInt8] { try #require(try PEMFile(text: pem).certificates.first) }

    @Test("an intermediate is told from an authority, and both are taken")
    func kinds() throws {
        let authority = try Self.der(TestCertificates.authority)
        let intermediate = try Self.der(TestCertificates.intermediate)
        #expect(TrustedCertificate.isSelfIssued(authority) == true)
        #expect(TrustedCertificate.isSelfIssued(intermediate) == false)
        #expect(TrustedCertificate.make(authority) != nil)
        let made = try #require(TrustedCertificate.make(intermediate))
        #expect(try made == NIOSSLCertificate(bytes: intermediate, format: .der))
    }

    @Test("bytes that are no certificate are none, wherever they end")
    func damaged() throws {
        let der = try Self.der(TestCertificates.authority)
        for count in 0..<120 { #expect(TrustedCertificate.isSelfIssued(Array(der.prefix(count))) == nil) }
        #expect(TrustedCertificate.isSelfIssued([0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]) == nil)
        #expect(TrustedCertificate.make([0x30, 0x03, 0x02, 0x01, 0x00]) == nil)
    }

    @Test("a byte order mark is no content, and UTF-16 is named")
    func marks() throws {
        #expect(try PEMFile(text: "\u{FEFF}" + TestCertificates.authority).certificates.count == 1)
        let folder = try TemporaryFolder()
        let wide = Array("\u{FEFF}-----BEGIN".utf16).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        let path = folder.path + "/wide.pem"
        #expect(FileManager.default.createFile(atPath: path, contents: Data(wide)))
        #expect(throws: Refusal.self) { try PEMFile(path: path) }
    }
}
