// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenLoop

/// A listening descriptor of the test.
package enum BoundPort {
    package static func make(_ address: PeerAddress, options: SocketOptions) throws -> (CInt, SocketAddress) {
        let descriptor = try ListeningSocket.bind(to: address, times: 1, options: options)[0]
        guard let bound = ListeningSocket.localAddress(of: descriptor) else { throw ChannelError.unknownLocalAddress }
        return (descriptor, bound.socketAddress)
    }
}
