// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// One thing around a connection that we dial: TLS, a WebSocket. A carrier has any number of them, in any order.
package protocol DialLayer: Sendable {
    /// Takes over a leg that has not begun.
    ///
    /// - Parameter answer: called on `loop` with a leg that has not begun; once unless the attempt is cancelled, and possibly
    ///   before this returns.
    func dial(
        over leg: any Leg, to server: DialledServer, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) -> any OpenAttempt
}

/// Whom a carrier leads to.
package struct DialledServer: Sendable {
    /// As it stands in the configuration.
    package let host: Host
    /// Whose address a certificate must name, where that is not who the connection leads to: behind another outbound.
    package let address: SocketAddress?

    package init(host: Host, address: SocketAddress? = nil) {
        self.host = host
        self.address = address
    }
}

extension TLSClient: DialLayer {
    /// The handshake goes on behind the answer: what is written waits for it, and its failure is the end of the leg.
    package func dial(
        over leg: any Leg, to server: DialledServer, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) -> any OpenAttempt {
        do {
            let channel = LegChannel(leg, on: loop, to: server.address)
            try channel.start(try self.makeHandlers(for: server.host))
            answer(.success(try ChannelLeg.last(of: channel)))
        } catch {
            leg.discard()
            answer(.failure(CarrierFailure(TLSFailure.sentence(for: error))))
        }
        return NoAttempt()
    }
}

extension WebSocketClient: DialLayer {
    package func dial(
        over leg: any Leg, to server: DialledServer, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) -> any OpenAttempt {
        self.upgrade(leg, on: loop, answer: answer)
    }
}

/// Layers put on a connection one after the other.
final class LayeredAttempt: OpenAttempt {
    private let server: DialledServer
    private let loop: SocketLoop
    private var layers: ArraySlice<any DialLayer>
    private var answer: ((Result<any Leg, CarrierFailure>) -> Void)?
    /// The layer that is being put on.
    private var step: (any OpenAttempt)?

    init(
        _ layers: [any DialLayer], to server: DialledServer, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, CarrierFailure>) -> Void
    ) {
        self.layers = layers[...]
        self.server = server
        self.loop = loop
        self.answer = answer
    }

    func take(_ leg: any Leg) {
        guard self.answer != nil else { return leg.discard() }
        guard let layer = self.layers.popFirst() else { return self.finish(.success(leg)) }
        var isAnswered = false
        let step = layer.dial(over: leg, to: self.server, on: self.loop) { result in
            isAnswered = true
            self.step = nil
            switch result {
            case .success(let leg): self.take(leg)
            case .failure(let failure): self.finish(.failure(failure))
            }
        }
        if !isAnswered { self.step = step }
    }

    private func finish(_ result: Result<any Leg, CarrierFailure>) {
        let answer = self.answer
        self.answer = nil
        answer?(result)
    }

    func cancel() {
        self.answer = nil
        self.step?.cancel()
        self.step = nil
    }
}

@available(*, unavailable)
extension LayeredAttempt: Sendable {}
