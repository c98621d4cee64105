// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenRuntime

/// A kind of outbound.
struct OutboundType: Sendable {
    let entry: EntryType
    /// What a stranger on the path could read where the carrier has no TLS; nil if there is no carrier.
    let exposure: String?
    /// Reads the keys of the type; nil after a report. Opens nothing.
    let read: @Sendable (Entry, Configuration.Limits) -> OutboundDraft?

    init(
        _ name: String, authority: String?, exposure: String?,
        read: @escaping @Sendable (Entry, Configuration.Limits) -> OutboundDraft?
    ) {
        self.entry = EntryType(name, authority: authority)
        self.exposure = exposure
        self.read = read
    }
}

/// An outbound whose keys are good.
enum OutboundDraft {
    /// Dials every destination itself.
    case direct(DirectDraft)
    /// Keeps a session with a server up.
    case session(SessionDraft)
}

/// What the dialling of `direct` can be told.
struct DirectDraft {
    var bind: IPAddress?
    var prefersIPv4 = false
}

/// A session outbound whose keys are good.
struct SessionDraft {
    let server: Target
    let tls: TLSMaterial?
    /// Puts the protocol's handler on a connected carrier.
    let install: @Sendable (any Leg, any SessionOwner, Site) throws -> Void

    /// - Returns: nil after a report.
    init?(
        _ section: Section, defaultPort: UInt16? = nil,
        install: @escaping @Sendable (any Leg, any SessionOwner, Site) throws -> Void
    ) {
        let server = section.required("server", .target(defaultPort: defaultPort))
        let settings = section.tls(for: .client)
        let tls = settings.flatMap { TLSMaterial($0, section.findings) }
        guard let server, (settings == nil) == (tls == nil) else { return nil }
        self.server = server
        self.tls = tls
        self.install = install
    }
}
