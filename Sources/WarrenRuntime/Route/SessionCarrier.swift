// SPDX-License-Identifier: Apache-2.0

import WarrenCore
package import WarrenLoop

/// A carrier that we dial, and the session that is to run over it.
package struct SessionCarrier: Sendable {
    /// Where it leads.
    package let description: String
    /// It is a stream of another outbound's, and ends where a tunnel of that one does.
    let isStream: Bool
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
            dialer.description, isStream: dialer.isTunnelled, memory: dialer.memory,
            dial: { dialer.dial(on: $0, answer: $1) }, makeSession: makeSession)
    }

    init(
        _ description: String, isStream: Bool = false, memory: AddressMemory? = nil,
        dial: @escaping @Sendable (SocketLoop, @escaping (Result<any Leg, CarrierFailure>) -> Void) -> any OpenAttempt,
        makeSession: @escaping @Sendable (any Leg, any SessionOwner, SocketLoop) throws -> Void
    ) {
        self.description = description
        self.isStream = isStream
        self.memory = memory
        self.dial = dial
        self.makeSession = makeSession
    }
}
