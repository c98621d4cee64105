// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore

/// Stands for an outbound toward those who come when there are too many already, so that they are told so in the words of
/// their protocol.
package struct FullOutbound: Outbound {
    package let name: String
    package let home: SocketLoop?

    package init(standingFor outbound: any Outbound) {
        self.name = outbound.name
        self.home = outbound.home
    }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        answer(.failure(.limit))
        return NoAttempt()
    }
}
