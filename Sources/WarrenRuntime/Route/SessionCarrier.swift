// SPDX-License-Identifier: Apache-2.0

import WarrenCore
package import WarrenLoop

/// A carrier that we dial, and the session that is to run over it.
package struct SessionCarrier: Sendable {
    /// Where it leads.
    package let description: String
    /// What came of the addresses of its server, where that has a name.
    let memory: AddressMemory?
    /// Connects it; the answer comes once, unless the attempt is cancelled.
    let dial: @Sendable (SocketLoop, @escaping (Result<any Leg, CarrierFailure>) -> Void) -> any OpenAttempt
    /// Starts the session, with this owner, on the connected carrier.
    package var makeSession: @Sendable (any Leg, any SessionOwner, SocketLoop) throws -> Void

    package init(
        _ dialer: CarrierDialer, makeSession: @escaping @Sendable (any Leg, any SessionOwner, SocketLoop) throws -> Void
    ) {
        self.init(
            dialer.description, memory: dialer.memory, dial: { dialer.dial(on: $0, answer: $1) },
            makeSession: makeSession)
    }

    init(
        _ description: String, memory: AddressMemory? = nil,
        dial: @escaping @Sendable (SocketLoop, @escaping (Result<any Leg, CarrierFailure>) -> Void) -> any OpenAttempt,
        makeSession: @escaping @Sendable (any Leg, any SessionOwner, SocketLoop) throws -> Void
    ) {
        self.description = description
        self.memory = memory
        self.dial = dial
        self.makeSession = makeSession
    }
}
