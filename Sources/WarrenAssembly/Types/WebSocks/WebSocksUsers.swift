// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore
import Synchronization
import WarrenCore
import WarrenRuntime
import WarrenWebSocks

/// Judges the digests that agents show.
final class WebSocksUsers: Authenticator {
    /// From where a login is taken.
    enum Logins: String, CaseIterable, Sendable {
        case anywhere
        /// From the address that used it first: whoever has overheard it is elsewhere.
        case oneAddress
    }

    /// More than an agent has connections while its digest is good.
    private static let uses = 1_000_000

    private let secrets: WebSocks.Secrets
    /// Of passwords, by the names that a verdict gives; names of which only a part is shown may be one.
    private let digests: [String: Set<[UInt8]>]
    private let cache: Mutex<WebSocks.DigestCache>
    private let logins: Logins
    private let clock: @Sendable () -> Int64

    /// - Parameter passwords: by user name.
    init(
        _ passwords: [String: String], _ logins: Logins, clock: @escaping @Sendable () -> Int64 = WallClock.milliseconds
    ) {
        self.secrets = WebSocks.Secrets(passwords: passwords)
        self.digests = Dictionary(
            passwords.map { name, password -> (String, Set<[UInt8]>) in
                (Claim(identity: Array(name.utf8)).shownIdentity, [Array(SHA256.hash(data: Array(password.utf8)))])
            }
        ) { $0.union($1) }
        self.cache = Mutex(WebSocks.DigestCache(uses: Self.uses))
        self.logins = logins
        self.clock = clock
    }

    func verdict(on claim: Claim, from peer: SocketAddress?) -> Verdict? {
        let now = self.clock()
        let verdict = self.secrets.verdict(on: claim, at: now)
        guard case .accepted = verdict, self.logins == .oneAddress else { return verdict }
        guard let source = peer.flatMap({ IPAddress($0) }) else { return .denied }
        return self.cache.withLock { $0.admits(claim, from: source, at: now) } ? verdict : .denied
    }

    func admits(_ user: String?, letInBy former: any Authenticator) -> Bool {
        guard let user, let former = former as? WebSocksUsers, let known = former.digests[user] else { return false }
        // Who has used a login first is not known here.
        guard self.logins == .anywhere || former.logins == self.logins else { return false }
        return known == self.digests[user]
    }
}
