// SPDX-License-Identifier: Apache-2.0

import NIOCore
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

    /// The leg that comes back has not begun; bytes written to it reach the peer's session.
    package func dial(
        on loop: SocketLoop, answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) -> any OpenAttempt {
        self.dialer.dial(self.host, port: self.port, on: loop) { result in
            switch result {
            case .success(let leg): answer(self.secure(leg))
            case .failure(let fault): answer(.failure(CarrierFailure("cannot connect: \(fault.rawValue)")))
            }
        }
    }

    private func secure(_ leg: SocketLeg) -> Result<any Leg, CarrierFailure> {
        guard let tls else { return .success(leg) }
        do {
            let channel = LegChannel(leg, on: leg.loop)
            try channel.start([tls.makeHandler(for: self.host)])
            return .success(try ChannelLeg.last(of: channel))
        } catch {
            leg.discard()
            return .failure(CarrierFailure("TLS: \(error)"))
        }
    }
}

/// Why a carrier could not be had, in one sentence.
package struct CarrierFailure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
