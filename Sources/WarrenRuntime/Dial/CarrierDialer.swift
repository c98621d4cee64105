// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
package import WarrenCore

/// Dials the carrier of a session: a TCP connection to a server, with TLS around it and a WebSocket inside if asked.
package struct CarrierDialer: Sendable, CustomStringConvertible {
    /// A try that began while the network was away must not outlast it.
    private static let insistence = TimeAmount.seconds(1)

    private let dialer: Dialer
    private let asker: Asker
    private let host: Host
    private let port: UInt16
    private let tls: TLSClient?
    private let webSocket: WebSocketClient?

    /// - Parameter isTrusted: the host stands in our own configuration, so the egress policy has no say.
    package init(
        dialer: Dialer, host: Host, port: UInt16, tls: TLSClient?, webSocket: WebSocketClient? = nil,
        isTrusted: Bool = true
    ) {
        var dialer = dialer
        if isTrusted { dialer.policy = .everything }
        dialer.sockets = .carrier
        dialer.insistence = Self.insistence
        if case .name = host { dialer.memory = AddressMemory() }
        self.dialer = dialer
        self.asker = isTrusted ? .configuration : .unknown
        self.host = host
        self.port = port
        self.tls = tls
        self.webSocket = webSocket
    }

    var memory: AddressMemory? { self.dialer.memory }

    package var description: String { Destination.tcp(self.host, port: self.port).description }

    /// The leg that comes back has not begun; bytes written to it reach the peer's session.
    package func dial(
        on loop: SocketLoop, answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) -> any OpenAttempt {
        let attempt = DressedAttempt()
        attempt.step = self.dialer.dial(self.host, port: self.port, for: self.asker, on: loop) { result in
            switch result {
            case .success(let leg): self.dress(leg, attempt, answer)
            case .failure(let fault): answer(.failure(CarrierFailure("cannot connect: \(fault.rawValue)", fault)))
            }
        }
        return attempt
    }

    /// Puts TLS and a WebSocket on the connection.
    private func dress(
        _ leg: SocketLeg, _ attempt: DressedAttempt, _ answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) {
        do {
            let handlers = try self.tls?.makeHandlers(for: self.host) ?? []
            if let webSocket {
                attempt.next = webSocket.upgrade(leg, behind: handlers, on: leg.loop, answer: answer)
            } else if handlers.isEmpty {
                answer(.success(leg))
            } else {
                let channel = LegChannel(leg, on: leg.loop)
                try channel.start(handlers)
                answer(.success(try ChannelLeg.last(of: channel)))
            }
        } catch {
            leg.discard()
            answer(.failure(CarrierFailure(TLSFailure.sentence(for: error))))
        }
    }
}

/// The connection first, then what is put on it.
private final class DressedAttempt: OpenAttempt {
    var step: (any OpenAttempt)?
    var next: (any OpenAttempt)?

    func cancel() {
        self.step?.cancel()
        self.next?.cancel()
    }
}
