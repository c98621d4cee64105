// SPDX-License-Identifier: Apache-2.0

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
    private let cache: Mutex<WebSocks.DigestCache>
    private let logins: Logins
    private let clock: @Sendable () -> Int64

    /// - Parameter passwords: by user name.
    init(
        _ passwords: [String: String], _ logins: Logins, clock: @escaping @Sendable () -> Int64 = WallClock.milliseconds
    ) {
        self.secrets = WebSocks.Secrets(passwords: passwords)
        self.cache = Mutex(WebSocks.DigestCache(uses: Self.uses))
        self.logins = logins
        self.clock = clock
    }

    func judge(_ claim: Claim, from peer: SocketAddress?) async -> Verdict {
        let now = self.clock()
        let verdict = self.secrets.verdict(on: claim, at: now)
        guard case .accepted = verdict, self.logins == .oneAddress else { return verdict }
        guard let source = peer.flatMap({ IPAddress($0) }) else { return .denied }
        return self.cache.withLock { $0.admits(claim, from: source, at: now) } ? verdict : .denied
    }
}
