// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// Makes outgoing TCP connections: resolves, judges each address, and races them as RFC 8305 says.
package struct Dialer: Sendable {
    package var resolver: any AddressResolver
    /// Judges every resolved address.
    package var policy: EgressPolicy
    /// Told of the addresses that the policy refused where it left none, and for which stream, before that is answered.
    package var onRefusal: @Sendable ([EgressRefusal], StreamRequest?) -> Void = { _, _ in }
    /// Told that there is no descriptor for a connection.
    package var onShortage: @Sendable () -> Void = {}
    /// Told of the system's number for a connect that failed in a way that no fault of ours has a word for.
    var onOddity: (@Sendable (CInt) -> Void)?
    package var connectTimeout = TimeAmount.seconds(10)
    /// The local address to connect from.
    package var bind: IPAddress?
    /// The family that is tried first.
    package var prefer = IPAddress.Family.v6
    package var sockets = SocketOptions()
    /// How soon an address that answers nothing is tried once more beside the try that is under way; nil for never.
    package var insistence: TimeAmount?
    /// What is known of the addresses of the host, if it is always the same one.
    package var memory: AddressMemory?

    package init(resolver: any AddressResolver, policy: EgressPolicy) {
        self.resolver = resolver
        self.policy = policy
    }

    /// Connects to a host on `loop`.
    ///
    /// The leg that comes back has not begun: it reads nothing yet.
    ///
    /// - Parameters:
    ///   - asker: who waits for it, if the host is a name.
    ///   - request: the stream it is for, if it is for one.
    package func dial(
        _ host: Host, port: UInt16, for asker: Asker, request: StreamRequest? = nil, on loop: SocketLoop,
        answer: @escaping (Result<SocketLeg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let attempt = DialAttempt(self, port: port, request: request, on: loop, answer: answer)
        attempt.start(host, for: asker)
        return attempt
    }

    func connect(
        to address: IPAddress, port: UInt16, on loop: SocketLoop,
        answer: @escaping (Result<SocketLeg, StreamFault>) -> Void
    ) throws(StreamFault) -> Connection {
        do throws(StreamFault) {
            return try Connection(
                to: PeerAddress(address, port: port), from: self.bind, options: self.sockets,
                timeout: self.connectTimeout, onOddity: self.onOddity, on: loop, answer: answer
            )
        } catch {
            if error == .limit { self.onShortage() }
            throw error
        }
    }
}
