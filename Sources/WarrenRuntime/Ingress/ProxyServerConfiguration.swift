// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// What the three proxy servers (SOCKS4, SOCKS5, HTTP) are told by their inbound.
package struct ProxyServerConfiguration: Hashable, Sendable {
    /// Users are configured: nobody passes without a login that the judge accepts.
    package var requiresLogin: Bool
    package var limits: SessionLimits
    /// An HTTP inbound stands before this one, and is no proxy.
    package var origin: HTTPOrigin?

    package init(requiresLogin: Bool = false, limits: SessionLimits = SessionLimits()) {
        self.requiresLogin = requiresLogin
        self.limits = limits
    }

    /// Bytes held for a destination that is still being reached; past this the user's carrier is not read.
    static let mostEarlyBytes = 64 << 10
    /// Request line and header fields of an HTTP request, with their line ends.
    static let longestHead = 16 << 10
}

extension StreamID {
    /// The one stream of a proxy server.
    static let front = StreamID(0)
}
