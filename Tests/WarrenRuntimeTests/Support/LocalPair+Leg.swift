// SPDX-License-Identifier: Apache-2.0

import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

extension LocalPair {
    func makeLeg(_ options: SocketOptions = SocketOptions(), onClose: (@Sendable () -> Void)? = nil) -> SocketLeg {
        let peer = PeerAddress(IPAddress(v4: 0x7F00_0001), port: 1)
        return SocketLeg(self.socket, peer: peer, options: options, onClose: onClose)
    }
}
