// SPDX-License-Identifier: Apache-2.0

import WarrenCore

/// A carrier that we dial, and the session that is to run over it.
package struct SessionCarrier: Sendable {
    package var dialer: CarrierDialer
    /// Starts the session, with this owner, on the connected carrier.
    package var makeSession: @Sendable (any Leg, any SessionOwner, SocketLoop) throws -> Void

    package init(
        _ dialer: CarrierDialer, makeSession: @escaping @Sendable (any Leg, any SessionOwner, SocketLoop) throws -> Void
    ) {
        self.dialer = dialer
        self.makeSession = makeSession
    }
}
