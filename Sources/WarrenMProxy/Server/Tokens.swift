// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The tokens of one session, and what they let it serve: each token with claims of its own, each name as long as one of them
/// has it.
struct Tokens {
    /// Tokens that one session may hold.
    static let most = 64

    private var held: [(text: String, destinations: [Destination], end: NIODeadline?)] = []
    private var counts: [Destination: Int] = [:]

    var isEmpty: Bool { self.held.isEmpty }
    var isFull: Bool { self.held.count >= Self.most }

    func contains(_ text: String) -> Bool { self.held.contains { $0.text == text } }
    func serves(_ destination: Destination) -> Bool { self.counts[destination] != nil }

    /// When the next one expires. Asked in every step, so it is kept.
    private(set) var deadline: NIODeadline?

    /// One that has expired.
    func expired(now: NIODeadline) -> String? {
        guard let deadline, deadline <= now else { return nil }
        return self.held.first { $0.end.map { $0 <= now } ?? false }?.text
    }

    private mutating func findDeadline() { self.deadline = self.held.lazy.compactMap(\.end).min() }

    /// - Returns: what no other token has.
    mutating func add(_ text: String, _ entitlement: MProxy.Entitlement, now: NIODeadline) -> [Destination] {
        let destinations = entitlement.destinations
        self.held.append((text, destinations, entitlement.lifetime.map { now + $0 }))
        self.findDeadline()
        var new: [Destination] = []
        for destination in destinations {
            if self.counts[destination] == nil { new.append(destination) }
            self.counts[destination, default: 0] += 1
        }
        return new
    }

    /// - Returns: what no token has any more; nil if there is no such token.
    mutating func remove(_ text: String) -> [Destination]? {
        guard let index = self.held.firstIndex(where: { $0.text == text }) else { return nil }
        let token = self.held[index]
        self.held.removeAll { $0.text == text }
        self.findDeadline()
        return token.destinations.filter { destination in
            guard let count = self.counts[destination] else { return false }  // withheld
            self.counts[destination] = count > 1 ? count - 1 : nil
            return count == 1
        }
    }

    /// - Returns: everything that was served.
    mutating func removeAll() -> [Destination] {
        let served = self.held.flatMap(\.destinations).filter { self.counts.removeValue(forKey: $0) != nil }
        self.held = []
        self.deadline = nil
        return served
    }

    /// Another has it: no token of this session serves it.
    mutating func withhold(_ destination: Destination) {
        guard self.counts.removeValue(forKey: destination) != nil else { return }
        for index in self.held.indices { self.held[index].destinations.removeAll { $0 == destination } }
    }
}
