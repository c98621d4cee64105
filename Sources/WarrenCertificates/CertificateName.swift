// SPDX-License-Identifier: Apache-2.0

import SwiftASN1
package import WarrenCore
import X509

/// What a certificate is for: a host name or an address, as the side that dials writes it.
package enum CertificateName: Hashable, Sendable {
    case host(HostName)
    case address(IPAddress, text: String)

    /// - Throws: ``CertificateFailure`` for what is neither, such as a URL or a host with its port.
    package init(_ text: String) throws(CertificateFailure) {
        if let address = IPAddress(text) {
            self = .address(address, text: text.lowercased())
        } else if let name = HostName(text) {
            self = .host(name)
        } else if text.hasPrefix("*.") {
            throw CertificateFailure("\"\(text)\" is a pattern; give each name with --name")
        } else {
            throw CertificateFailure(
                "\"\(text)\" is no host name and no IP address; write it without scheme, brackets and port, such as "
                    + "relay.example.net")
        }
    }

    /// As files are called by it.
    package var text: String {
        switch self {
        case .host(let name): name.text
        case .address(_, let text): text
        }
    }

    var subjectAlternative: GeneralName {
        switch self {
        case .host(let name): .dnsName(name.text)
        case .address(let address, _): .ipAddress(ASN1OctetString(contentBytes: address.bytes[...]))
        }
    }
}

extension IPAddress {
    /// 4 or 16 bytes in network order.
    fileprivate var bytes: [UInt8] {
        let words = self.family == .v4 ? [] : [self.high]
        let all = (words + [self.low]).flatMap { word in withUnsafeBytes(of: word.bigEndian, Array.init) }
        return Array(all.suffix(self.bitWidth / 8))
    }
}
