// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOSSL
package import WarrenCore

/// Dials the carrier of a session: a TCP connection to a server named in our configuration, with TLS around it if asked.
package struct CarrierDialer: Sendable, CustomStringConvertible {
    private let dialer: Dialer
    private let host: Host
    private let port: UInt16
    private let tls: TLSClient?

    package init(dialer: Dialer, host: Host, port: UInt16, tls: TLSClient?) {
        var dialer = dialer
        dialer.policy = .everything
        dialer.sockets = .carrier
        self.dialer = dialer
        self.host = host
        self.port = port
        self.tls = tls
    }

    package var description: String { Destination.tcp(self.host, port: self.port).description }

    /// The channel that comes back is active; bytes written to it reach the peer's session.
    package func dial(
        on loop: any EventLoop, answer: @escaping (Result<any Channel, CarrierFailure>) -> Void
    ) -> any OpenAttempt {
        self.dialer.dial(self.host, port: self.port, on: loop) { result in
            switch result {
            case .success(let channel): answer(self.decorate(channel))
            case .failure(let fault): answer(.failure(CarrierFailure("cannot connect: \(fault.rawValue)")))
            }
        }
    }

    private func decorate(_ channel: any Channel) -> Result<any Channel, CarrierFailure> {
        guard let tls else { return .success(channel) }
        do {
            try channel.pipeline.syncOperations.addHandler(tls.makeHandler(for: self.host))
            return .success(channel)
        } catch {
            channel.close(promise: nil)
            return .failure(CarrierFailure("TLS: \(error)"))
        }
    }
}

/// Why a carrier could not be had, in one sentence.
package struct CarrierFailure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
