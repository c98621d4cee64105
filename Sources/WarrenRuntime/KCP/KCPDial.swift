// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenKCP
import WarrenLoop
import WarrenSecureDatagrams

/// Begins a conversation with a host on a port of our own.
///
/// Nothing tells whether somebody is there before the protocol above has had its first answer, so there is no race: one
/// address is taken, and the next attempt takes another one where that had no answer (``AddressMemory``). With a key the
/// peer's answer to the handshake is awaited.
final class KCPDial: OpenAttempt {
    /// How long the peer may take to agree on keys: as long as a session may take to begin without them.
    private static let agreement = TimeAmount.seconds(5)

    private let configuration: KCP.Configuration
    private let dialer: Dialer
    private let port: UInt16
    private let key: SecureDatagrams.InitiatorKey?
    private let loop: SocketLoop
    private var answer: ((Result<KCPLeg, CarrierFailure>) -> Void)?
    private var lookup: AddressLookup?
    /// While keys are agreed on with its peer.
    private var leg: KCPLeg?

    init(
        _ configuration: KCP.Configuration, key: SecureDatagrams.InitiatorKey?, _ dialer: Dialer, port: UInt16,
        on loop: SocketLoop, answer: @escaping (Result<KCPLeg, CarrierFailure>) -> Void
    ) {
        self.configuration = key == nil ? configuration : configuration.inside
        self.key = key
        self.dialer = dialer
        self.port = port
        self.loop = loop
        self.answer = answer
    }

    func start(_ host: Host, for asker: Asker) {
        switch host {
        case .address(let address): self.begin(with: [address])
        case .name(let name):
            let lookup = AddressLookup(name, self.dialer.resolver, for: asker, on: self.loop)
            self.lookup = lookup
            lookup.start { addresses in
                self.begin(with: self.inOrder(addresses))
                return NoAttempt()
            }
        }
    }

    /// As a TCP connection would try them.
    private func inOrder(_ addresses: [IPAddress]) -> [IPAddress] {
        func family(_ family: IPAddress.Family) -> [IPAddress] {
            let found = addresses.filter { $0.family == family }
            return self.dialer.memory?.inOrder(found, of: family) ?? found
        }
        let (v4, v6) = (family(.v4), family(.v6))
        let first = self.dialer.memory?.preferred(self.dialer.prefer) ?? self.dialer.prefer
        return first == .v4 ? v4 + v6 : v6 + v4
    }

    private func begin(with addresses: [IPAddress]) {
        guard let answer else { return }
        self.cancel()
        var fault = StreamFault.unknownHost
        for address in addresses {
            guard case .allowed = self.dialer.policy.judge(address, port: self.port, name: nil) else {
                fault = .notAllowed
                continue
            }
            do {
                return try self.dial(PeerAddress(address, port: self.port), answer)
            } catch {
                fault =
                    (error as? IOError).map { StreamFault(connecting: $0.errnoCode) } ?? error as? StreamFault
                    ?? .failed
                // The next address may have a way.
                self.dialer.memory?.failed(address)
            }
        }
        answer(.failure(CarrierFailure("cannot connect: \(fault.rawValue)", fault)))
    }

    private func dial(_ peer: PeerAddress, _ answer: @escaping (Result<KCPLeg, CarrierFailure>) -> Void) throws {
        let leg = KCPLeg(self.configuration, with: peer, on: self.loop)
        guard let key else {
            leg.attach(DialledPort(try self.dialer.socket(to: peer, on: self.loop), for: leg))
            return answer(.success(leg))
        }
        let (dialer, loop) = (self.dialer, self.loop)
        let answered = { (failure: CarrierFailure?) in
            self.leg = nil
            guard let failure else { return answer(.success(leg)) }
            dialer.memory?.failed(peer.address)
            leg.close(failure.fault)
            answer(.failure(failure))
        }
        let port = try SecurePort(
            key: key, for: leg, within: min(dialer.connectTimeout, Self.agreement),
            open: { try dialer.socket(to: peer, on: loop) }, answer: answered)
        self.leg = leg
        leg.attach(port)
        port.start()
    }

    func cancel() {
        self.answer = nil
        self.lookup?.cancel()
        self.lookup = nil
        self.leg?.close(nil)
        self.leg = nil
    }
}

@available(*, unavailable)
extension KCPDial: Sendable {}

extension Dialer {
    /// A UDP socket of our own toward one peer.
    fileprivate func socket(to peer: PeerAddress, on loop: SocketLoop) throws -> DatagramSocket {
        let socket = try DatagramSocket.dial(to: peer, from: self.bind, on: loop, options: .kcp)
        guard DescriptorLimit.process.room(for: socket.descriptor) == .plenty else {
            socket.close()
            self.onShortage()
            throw StreamFault.limit
        }
        return socket
    }
}
