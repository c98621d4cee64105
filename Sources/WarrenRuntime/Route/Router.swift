// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
package import WarrenCore
package import WarrenLoop

/// The outbounds of one inbound, chosen for every stream by the first rule that matches.
///
/// An outbound whose tunnel was down comes last for a while, and a stream that has found it so goes on to the next one of
/// its rule: nothing was said to a destination yet.
package final class Router: Outbound {
    /// How long an outbound that was found down comes last.
    private static let rest = TimeAmount.seconds(10)

    private struct State {
        var turns: [Int: Int] = [:]
        var streams: [String: Int] = [:]
        var down: [String: NIODeadline] = [:]
    }

    package let name: String
    package let home: SocketLoop?
    private let rules: [RouteRule]
    private let outbounds: [String: any Outbound]
    private let units: [String: UnitTag]
    private let last: any Outbound
    private let resolver: any AddressResolver
    private let state = Mutex(State())

    /// - Parameters:
    ///   - rules: those for this inbound, in order.
    ///   - outbounds: by name; all that the rules lead to.
    ///   - last: where everything else goes.
    ///   - units: of the outbounds, by name.
    ///   - resolver: for rules that ask for the addresses of a name.
    package init(
        _ rules: [RouteRule], _ outbounds: [String: any Outbound], last: any Outbound, units: [String: UnitTag] = [:],
        resolver: any AddressResolver = SystemResolver()
    ) {
        self.resolver = resolver
        let names = Set(rules.flatMap(\.target.names))
        let outbounds = outbounds.filter { names.contains($0.key) }
        self.rules = rules
        self.outbounds = outbounds
        self.last = last
        self.units = units
        self.name = last.name
        self.home = last.home
    }

    var signposts: Signposts { Signposts(self.rules, self.outbounds, last: self.last) }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        var rule: Int?
        for (index, next) in self.rules.enumerated() {
            switch next.match(request.destination, user: request.user) {
            case .no: continue
            case .yes: break
            case .mustResolve: return self.resolve(request, trusted: trusted, on: loop, answer)
            }
            rule = index
            break
        }
        return self.open(request, by: rule, trusted: trusted, on: loop, answer: answer)
    }

    /// Chooses when the addresses of the name are known; a name without any has none that a rule could name.
    private func resolve(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        _ answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        guard case .host(.name(let name), _, _) = request.destination else {
            return self.open(request, by: nil, trusted: trusted, on: loop, answer: answer)
        }
        let lookup = AddressLookup(name, self.resolver, for: Asker(request, trusted: trusted), on: loop)
        lookup.start { addresses in
            let rule = self.rules.firstIndex {
                $0.match(request.destination, user: request.user, addresses: addresses) == .yes
            }
            return self.open(request, by: rule, trusted: trusted, on: loop, answer: answer)
        }
        return lookup
    }

    private func open(
        _ request: StreamRequest, by rule: Int?, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let ways = self.ways(rule, now: loop.now)
        guard !ways.isEmpty else {
            self.lead(request, to: "block", by: rule)
            answer(.failure(.notAllowed))
            return NoAttempt()
        }
        let attempt = RoutedStream(request, ways, rule, of: self, trusted: trusted, on: loop, answer: answer)
        attempt.next()
        return attempt
    }

    /// A stream is over, or could not be had.
    package func ended(_ request: StreamRequest) {
        guard let name = (request.route as? RouteRecord)?.closed() else { return }
        self.state.withLock { state in
            guard let count = state.streams[name] else { return }
            state.streams[name] = count > 1 ? count - 1 : nil
        }
    }

    /// - Parameter rule: by its index.
    fileprivate func lead(_ request: StreamRequest, to name: String, by rule: Int?) {
        guard let record = request.route as? RouteRecord else { return }
        record.lead(to: name, self.units[name], by: rule.map { self.rules[$0].place })
    }

    fileprivate func began(_ name: String, _ route: StreamRoute?) {
        let route = route as? RouteRecord
        route?.opened()
        self.state.withLock { state in
            // One without a record could not be counted back.
            if route != nil { state.streams[name, default: 0] += 1 }
            state.down[name] = nil
        }
    }

    fileprivate func isDown(_ name: String, now: NIODeadline) {
        self.state.withLock { $0.down[name] = now + Self.rest }
    }
}

// MARK: - The choice

extension Router {
    /// In the order in which they are tried; empty for a stream that is blocked.
    private func ways(_ rule: Int?, now: NIODeadline) -> [any Outbound] {
        guard let index = rule else { return [self.last] }
        guard case .outbounds(let names, let balance) = self.rules[index].target else { return [] }
        let ordered = names.count == 1 ? names : self.ordered(names, balance, rule: index, now: now)
        return ordered.compactMap { self.outbounds[$0] }
    }

    private func ordered(
        _ names: [String], _ balance: RouteRule.Balance, rule: Int, now: NIODeadline
    ) -> [String] {
        self.state.withLock { state in
            var names = names
            switch balance {
            case .first: break
            case .roundRobin:
                let turn = state.turns[rule, default: 0] % names.count
                state.turns[rule] = turn + 1
                names = Array(names[turn...] + names[..<turn])
            case .leastStreams:
                // Stable: equal ones as they stand in the rule.
                let counts = names.map { state.streams[$0, default: 0] }
                names = names.indices.sorted { (counts[$0], $0) < (counts[$1], $1) }.map { names[$0] }
            }
            let down = state.down.filter { $0.value > now }
            state.down = down
            return names.filter { down[$0] == nil } + names.filter { down[$0] != nil }
        }
    }
}

/// One stream, which tries its ways.
private final class RoutedStream: OpenAttempt {
    private let request: StreamRequest
    private var ways: ArraySlice<any Outbound>
    private let rule: Int?
    private let router: Router
    private let isTrusted: Bool
    private let loop: SocketLoop
    private var answer: ((Result<any Leg, StreamFault>) -> Void)?
    private var attempt: (any OpenAttempt)?

    init(
        _ request: StreamRequest, _ ways: [any Outbound], _ rule: Int?, of router: Router, trusted: Bool,
        on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) {
        self.request = request
        self.ways = ways[...]
        self.rule = rule
        self.router = router
        self.isTrusted = trusted
        self.loop = loop
        self.answer = answer
    }

    func next() {
        guard let way = self.ways.popFirst() else { return }
        self.router.lead(self.request, to: way.name, by: self.rule)
        var isAnswered = false
        let attempt = way.open(self.request, trusted: self.isTrusted, on: self.loop) { result in
            isAnswered = true
            self.attempt = nil
            self.answered(way, result)
        }
        if !isAnswered { self.attempt = attempt }
    }

    private func answered(_ way: any Outbound, _ result: Result<any Leg, StreamFault>) {
        switch result {
        case .success(let leg):
            guard self.answer != nil else { return leg.discard() }
            self.router.began(way.name, self.request.route)
        case .failure(let fault) where fault.isOutboundDown:
            self.router.isDown(way.name, now: self.loop.now)
            guard self.ways.isEmpty || self.answer == nil else { return self.next() }
        case .failure: break
        }
        let answer = self.answer
        self.answer = nil
        answer?(result)
    }

    func cancel() {
        self.answer = nil
        self.attempt?.cancel()
        self.attempt = nil
    }
}
