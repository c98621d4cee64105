// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenKCP
import WarrenLoop
import WarrenSecureDatagrams

// What both ends of a secure session below KCP have in common.

extension SecureDatagrams.Timing {
    /// A peer that was started anew is found soon: whoever hears nothing asks for new keys, which it does not have. And so is
    /// a network that comes back while a tunnel is begun: within 2 s, with the pause between two attempts.
    static var tunnel: Self {
        var timing = Self()
        timing.silence = .seconds(5)
        timing.longestFirstRetry = .milliseconds(1300)
        return timing
    }
}

extension KCP.Configuration {
    /// For datagrams that are sealed before they leave, so that they are not longer than `mtu` then.
    var inside: Self {
        var inside = self
        inside.mtu -= SecureDatagrams.overhead
        return inside
    }
}

extension SecureDatagrams.Address {
    /// An IPv4 peer of a socket for both families is what it is: handshakes are limited by source, and all of IPv4 would be
    /// one source of IPv6.
    init(_ path: DatagramPath) {
        let peer = path.peer.unmapped
        self.init(peer.address, port: peer.port, scope: path.interface)
    }
}

extension SecureDatagrams.Failure {
    /// The word of it for a stream.
    var fault: StreamFault {
        switch self {
        case .noAnswer, .expired: .timedOut
        case .forgotten: .aborted
        case .closed: .failed
        }
    }
}
