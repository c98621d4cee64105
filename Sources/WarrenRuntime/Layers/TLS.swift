// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import NIOSSL
import Synchronization
package import WarrenCore

/// TLS for carriers that we dial. Verification is on unless it was switched off by name. Certificates can be exchanged
/// while carriers are up.
package final class TLSClient: Sendable {
    private let context: Mutex<NIOSSLContext>
    private let serverName: String?
    private let ends: TLSEnds

    /// - Parameters:
    ///   - serverName: the name or address to ask for and to verify instead of the host that is dialled.
    ///   - ends: how both say that they end.
    package init(context: NIOSSLContext, serverName: String?, ends: TLSEnds = .announced) {
        self.context = Mutex(context)
        self.serverName = serverName
        self.ends = ends
    }

    /// Carriers dialled from now on use this one; those that are up keep theirs.
    package func replace(by context: NIOSSLContext) { self.context.withLock { $0 = context } }

    package func makeHandlers(for host: Host) throws -> [any ChannelHandler] {
        let wanted = self.serverName.map { Host($0) } ?? host
        var name: String?
        switch wanted {
        // Without the dot that may end it: certificates and RFC 6066 have none.
        case .name(let text): name = text.hasSuffix(".") ? String(text.dropLast()) : text
        // An address is verified as the one that is dialled.
        case .address: if wanted != host { throw TLSProblem.addressElsewhere }
        }
        let tls = try NIOSSLClientHandler(context: self.context.withLock { $0 }, serverHostname: name)
        return [tls, TLSEndHandler(self.ends), TLSReasons(.client(expects: name ?? "\(host)"))]
    }
}

/// TLS for carriers that we accept. The certificate can be exchanged while the listener runs.
package final class TLSServer: Sendable {
    private let context: Mutex<NIOSSLContext>
    private let ends: TLSEnds

    package init(context: NIOSSLContext, ends: TLSEnds = .announced) {
        self.context = Mutex(context)
        self.ends = ends
    }

    /// Carriers accepted from now on use this one; those that are up keep theirs.
    package func replace(by context: NIOSSLContext) { self.context.withLock { $0 = context } }

    package func makeHandlers() -> [any ChannelHandler] {
        [NIOSSLServerHandler(context: self.context.withLock { $0 }), TLSEndHandler(self.ends), TLSReasons(.server)]
    }
}

/// The kinds of signatures that are taken: those of every kind of key that may be ours. The library's own list lacks
/// Ed25519 and P-521.
package enum TLSSignatures {
    package static let all: [SignatureAlgorithm] = [
        .ecdsaSecp256R1Sha256, .rsaPssRsaeSha256, .rsaPkcs1Sha256, .ecdsaSecp384R1Sha384, .rsaPssRsaeSha384,
        .rsaPkcs1Sha384, .ed25519, .ecdsaSecp521R1Sha512, .rsaPssRsaeSha512, .rsaPkcs1Sha512,
    ]
}
