// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenKCP
import WarrenLoop

/// Begins a conversation with a host on a port of our own.
///
/// Nothing tells whether somebody is there before the protocol above has had its first answer, so there is no race: one
/// address is taken, and the next attempt takes another one where that had no answer (``AddressMemory``).
final class KCPDial: OpenAttempt {
    private let configuration: KCP.Configuration
    private let dialer: Dialer
    private let port: UInt16
    private let loop: SocketLoop
    private var answer: ((Result<KCPLeg, StreamFault>) -> Void)?
    private var lookup: AddressLookup?

    init(
        _ configuration: KCP.Configuration, _ dialer: Dialer, port: UInt16, on loop: SocketLoop,
        answer: @escaping (Result<KCPLeg, StreamFault>) -> Void
    ) {
        self.configuration = configuration
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
                return answer(.success(try self.leg(to: PeerAddress(address, port: self.port))))
            } catch {
                fault =
                    (error as? IOError).map { StreamFault(connecting: $0.errnoCode) } ?? error as? StreamFault
                    ?? .failed
                // The next address may have a way.
                self.dialer.memory?.failed(address)
            }
        }
        answer(.failure(fault))
    }

    private func leg(to peer: PeerAddress) throws -> KCPLeg {
        let socket = try DatagramSocket.dial(to: peer, on: self.loop, options: .kcp)
        guard DescriptorLimit.process.room(for: socket.descriptor) == .plenty else {
            socket.close()
            self.dialer.onShortage()
            throw StreamFault.limit
        }
        let leg = KCPLeg(self.configuration, with: peer, on: self.loop)
        leg.attach(DialledPort(socket, for: leg))
        return leg
    }

    func cancel() {
        self.answer = nil
        self.lookup?.cancel()
        self.lookup = nil
    }
}

@available(*, unavailable)
extension KCPDial: Sendable {}
