// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenConfiguration
package import WarrenCore
import WarrenKCP
import WarrenLoop
import WarrenRuntime
import WarrenSecureDatagrams
import WarrenVProxy

/// A kind of inbound: how its keys are read, and how it is put together once all keys of the file are known to be good.
struct InboundType: Sendable {
    let entry: EntryType
    /// What a stranger on the path could read where the inbound listens without TLS.
    let exposure: String
    /// Reads the keys of the type; nil after a report. Opens nothing.
    let read: @Sendable (Entry, Configuration.Limits) -> InboundDraft?

    init(
        _ name: String, authority: String? = "listen", path: String? = nil, exposure: String,
        read: @escaping @Sendable (Entry, Configuration.Limits) -> InboundDraft?
    ) {
        self.entry = EntryType(name, authority: authority, path: path)
        self.exposure = exposure
        self.read = read
    }
}

/// An inbound whose keys are good.
enum InboundDraft {
    /// Waits for connections.
    case listening(ListeningDraft)
    /// Finds its streams in another way.
    case part(DialledInboundDraft)
}

/// An inbound that listens.
struct ListeningDraft {
    let listen: ListenAddress
    let tls: TLSMaterial?
    /// Files that are read again when they change.
    var watched: [FileWatcher.Watched] = []
    var sockets = SocketOptions()
    /// Where it leads is in our own configuration, so the egress policy has no say.
    var isTrusted = false
    /// Whoever reaches it may have it connect to wherever the egress policy allows.
    var isOpenToAll = false
    /// It has no target of its own, so its outbound must know where to go.
    var needsTarget = false
    /// Where all its streams go, if that is one place.
    var target: Target?
    /// It speaks KCP over UDP; nil for TCP.
    var kcp: KCP.Configuration?
    /// What every datagram is sealed with; only with `kcp`.
    var key: SecureDatagrams.ListenerKey?
    /// A vproxy tunnel whose streams are its connections; TLS is inside each of them.
    var tunnel: VProxy.Configuration?
    /// Its sessions carry many streams and are worth a log line of their own.
    var isTunnel = false
    var judge: any Authenticator = NoAuthenticator()
    /// Its outbound must know public names.
    var needsNames = false
    /// A second port, where browsers are told of it.
    var pac: PACBlock?
    /// What runs beside its port.
    ///
    /// Told the outbound that `to` names.
    var parts: @Sendable (BuildContext, InboundSessions, any WarrenRuntime.Outbound) -> [any NodeComponent] = {
        _, _, _ in []
    }
    /// Puts its handlers on an accepted connection.
    let install: @Sendable (any Leg, InboundSessions, LoopContext) throws -> Void

    /// - Parameter adjust: what the protocol inside wants of TLS.
    /// - Returns: nil after a report.
    init?(
        _ section: Section, judge: any Authenticator = NoAuthenticator(),
        tls adjust: (inout TLSSettings) -> Void = { _ in },
        install: @escaping @Sendable (any Leg, InboundSessions, LoopContext) throws -> Void
    ) {
        let listen = section.required("listen", .listenAddress)
        var settings = section.tls(for: .server)
        if var adjusted = settings {
            adjust(&adjusted)
            settings = adjusted
        }
        let tls = settings.flatMap { TLSMaterial($0, section.findings) }
        guard let listen, (settings == nil) == (tls == nil) else { return nil }
        self.listen = listen
        self.tls = tls
        self.judge = judge
        self.install = install
    }
}

/// An inbound that does not listen: it dials, or has its one stream from elsewhere.
struct DialledInboundDraft {
    /// What it dials.
    var carriers: [CarrierDraft] = []
    /// As ``ListeningDraft/isTrusted``.
    var isTrusted = false
    /// As ``ListeningDraft/needsTarget``.
    var needsTarget = false
    /// The TLS that it ends.
    var served: [ServedTLS] = []
    let build: @Sendable (BuildContext, InboundSessions) -> any NodeComponent
}

/// What entries that are put together find around them.
struct BuildContext: Sendable {
    let unit: UnitTag
    var name: String { self.unit.name }
    let dialer: Dialer
    let loops: Loops
    let reporter: Reporter
    let limits: Configuration.Limits
    /// How others reach what is here, and when there is nothing more to do.
    let hooks: Hooks
    /// The outbound through which carriers are dialled; nil to dial them directly.
    var through: (any WarrenRuntime.Outbound)?
    /// Of users who have an egress policy of their own.
    var policies: [String: EgressPolicy] = [:]
    /// Where an outbound that is bound to one loop lives.
    var home: @Sendable () -> SocketLoop
}

/// What whoever runs a node may want to be told.
package struct Hooks: Sendable {
    /// Called with a sentence for the user if something went wrong, when the node has done all it was for; most never
    /// have.
    package var onDone: @Sendable (String?) -> Void = { _ in }
    /// Called with the same sentence before standard output is closed behind it.
    package var beforeEnd: @Sendable (String) -> Void = { _ in }
    /// What it means where the one stream there is ends so; nil for no more than the word says.
    package var faultMeans: @Sendable (StreamFault) -> String? = { _ in nil }
    /// Called with a sentence if a relay will not have us, which is the end then; nil to ask it again.
    package var onRefused: (@Sendable (String) -> Void)?
    /// Called whenever an inbound has a tunnel for many streams, before what it is granted.
    package var onUp: @Sendable (GrantList) -> Void = { _ in }
    /// Called with what a relay says of how an inbound is reached.
    package var onGrant: @Sendable (Grant) -> Void = { _ in }
    package init() {}
}
