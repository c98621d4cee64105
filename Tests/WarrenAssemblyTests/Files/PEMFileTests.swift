// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WarrenConfiguration

@testable import WarrenAssembly

@Suite struct PEMFileTests {
    private let certificate = TestCertificates.certificate
    private let key = TestCertificates.key

    private func refusal(_ text: String) -> String? {
        do {
            _ = try PEMFile(text: text).privateKey()
            return nil
        } catch {
            return error.what
        }
    }

    @Test(
        "line ends, spaces, text around blocks and other blocks do not matter",
        arguments: ["\n", "\r\n", " \n", "\n\n"])
    func variants(end: String) throws {
        let text = "Bag Attributes\n    localKeyID: 01\n" + self.key + "subject=CN = a\n" + self.certificate
        let file = try PEMFile(text: text.replacing("\n", with: end))
        let plain = try PEMFile(text: self.certificate)
        #expect(file.certificates == plain.certificates && file.certificates.count == 1)
        #expect(try file.privateKey().bytes == PEMFile(text: self.key).privateKey().bytes)
    }

    @Test func aCertificateThatIsRepeatedCountsOnce() throws {
        let other = TestCertificates.otherCertificate
        #expect(try PEMFile(text: self.certificate + self.certificate + other).certificates.count == 2)
    }

    @Test("what OpenSSL trusts a certificate for is cut off") func trusted() throws {
        let plain = try #require(try PEMFile(text: self.certificate).certificates.first)
        let more = Data(plain + [0x30, 2, 0x30, 0]).base64EncodedString()
        let text = "-----BEGIN TRUSTED CERTIFICATE-----\n\(more)\n-----END TRUSTED CERTIFICATE-----"
        #expect(try PEMFile(text: text).certificates == [plain])
        for count in 0..<plain.count { _ = PEMFile.firstElement(of: Array(plain.prefix(count))) }
    }

    @Test func eachKindOfFileThatDoesNotWorkIsTold() throws {
        let encrypted = self.key.replacing("PRIVATE KEY", with: "ENCRYPTED PRIVATE KEY")
        #expect(self.refusal(encrypted)?.contains("encrypted") == true)
        let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: DES,00\n\nAAAA"
        let old = "-----BEGIN RSA PRIVATE KEY-----\n\(headers)\n-----END RSA PRIVATE KEY-----"
        #expect(self.refusal(old)?.contains("encrypted") == true)
        #expect(self.refusal(self.certificate) == "holds no private key, only CERTIFICATE")
        #expect(self.refusal("") == "holds no private key")
        #expect(self.refusal(String(self.key.dropLast(40)))?.contains("damaged or cut off") == true)
        #expect(self.refusal(self.key.replacing("MIG", with: "M#G"))?.contains("damaged") == true)
    }
}
