// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import NIOSSL
import Synchronization
package import WarrenCore

/// TLS for carriers that we dial. Verification is on unless it was switched off by name.
package struct TLSClient: Sendable {
    private let context: NIOSSLContext
    private let serverName: String?

    package init(context: NIOSSLContext, serverName: String?) {
        self.context = context
        self.serverName = serverName
    }

    package func makeHandler(for host: Host) throws -> NIOSSLClientHandler {
        var name = self.serverName
        if name == nil, case .name(let text) = host { name = text }
        return try NIOSSLClientHandler(context: self.context, serverHostname: name)
    }
}

/// TLS for carriers that we accept. The certificate can be exchanged while the listener runs.
package final class TLSServer: Sendable {
    private let context: Mutex<NIOSSLContext>

    package init(context: NIOSSLContext) { self.context = Mutex(context) }

    /// Carriers accepted from now on use this one; those that are up keep theirs.
    package func replace(by context: NIOSSLContext) { self.context.withLock { $0 = context } }

    package func makeHandler() -> NIOSSLServerHandler {
        NIOSSLServerHandler(context: self.context.withLock { $0 })
    }
}
