// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import WarrenCore

/// What came of the addresses of one server: those where a session could not be had go to the end of the line.
package final class AddressMemory: Sendable {
    private struct State {
        /// Of the last answers of the resolver.
        var known: [IPAddress.Family: [IPAddress]] = [:]
        /// The higher, the later it failed; none for those that have not.
        var failures: [IPAddress: Int] = [:]
        var count = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// How many addresses there are to try.
    var count: Int { self.state.withLock { state in max(state.known.values.reduce(0) { $0 + $1.count }, 1) } }

    /// Those that have not failed first, then those whose failure is longest ago.
    func inOrder(_ addresses: [IPAddress], of family: IPAddress.Family) -> [IPAddress] {
        self.state.withLock { state in
            state.known[family] = addresses
            let known = Set(state.known.values.joined())
            state.failures = state.failures.filter { known.contains($0.key) }
            let ranked = addresses.enumerated().map { (rank: state.failures[$1] ?? 0, place: $0, address: $1) }
            return ranked.sorted { ($0.rank, $0.place) < ($1.rank, $1.place) }.map(\.address)
        }
    }

    /// The family that is tried first: the usual one, unless the other has an address that does better.
    func preferred(_ usual: IPAddress.Family) -> IPAddress.Family {
        let other: IPAddress.Family = usual == .v4 ? .v6 : .v4
        return self.state.withLock { state in
            func best(_ family: IPAddress.Family) -> Int? { state.known[family]?.map { state.failures[$0] ?? 0 }.min() }
            guard let theirs = best(other) else { return usual }
            return (best(usual) ?? .max) <= theirs ? usual : other
        }
    }

    /// A connection was had, and no session.
    func failed(_ address: IPAddress) {
        self.state.withLock { state in
            state.count += 1
            state.failures[address] = state.count
        }
    }

    func succeeded(_ address: IPAddress) { self.state.withLock { $0.failures[address] = nil } }
}
