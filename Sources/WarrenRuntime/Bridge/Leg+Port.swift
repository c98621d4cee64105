// SPDX-License-Identifier: Apache-2.0

import WarrenCore
import WarrenLoop

extension Leg {
    /// The port of this machine on which a plain connection came in; 0 where that is not known.
    package var localPort: UInt16 {
        self.plainSocket.flatMap { ListeningSocket.localAddress(of: $0.socket.descriptor)?.port } ?? 0
    }
}
