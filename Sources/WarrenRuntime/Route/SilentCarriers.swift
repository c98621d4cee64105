// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The carriers of an outbound that could not be had when they were tried last, so that one that swallows everything
/// costs one stream its time and not every stream. Any thread may ask it.
final class SilentCarriers: Sendable {
    private let peers = Mutex<Set<String>>([])
    /// Peers that a route names anew each time are not gathered without end.
    private static let most = 64

    /// The same carriers in the same order, but with these at the end.
    func last(in carriers: [SessionCarrier]) -> [SessionCarrier] {
        let peers = self.peers.withLock { $0 }
        guard !peers.isEmpty else { return carriers }
        let isSilent = { (carrier: SessionCarrier) in peers.contains(carrier.description) }
        return carriers.filter { !isSilent($0) } + carriers.filter(isSilent)
    }

    func failed(_ carrier: SessionCarrier) {
        self.peers.withLock { peers in
            if peers.count >= Self.most { peers.removeAll() }
            peers.insert(carrier.description)
        }
    }

    func answered(_ carrier: SessionCarrier) {
        self.peers.withLock { peers in
            if !peers.isEmpty { peers.remove(carrier.description) }
        }
    }
}
