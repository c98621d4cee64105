// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

// Tokens come again and again while the tunnel is up; they are judged one by one, in their order.
extension RelaySession {
    /// There is an order that need not wait for the judge.
    var hasOrder: Bool { self.judged.map { $0.verdict != nil } ?? !self.orders.isEmpty }

    mutating func judged(_ verdict: Verdict) {
        guard self.judged?.verdict == nil else { return }
        self.judged?.verdict = verdict
    }

    mutating func withheld(_ destination: Destination, _ reason: Withholding) {
        guard self.tokens.serves(destination) else { return }
        self.tokens.withhold(destination)
        self.withholdings[destination] = reason
    }

    /// Goes on with tokens: the judge's answer, or the next order.
    mutating func order(now: NIODeadline) -> SessionAction? {
        if let (token, id, verdict) = self.judged {
            guard let verdict else { return nil }
            self.judged = nil
            self.answer(token, id: id, verdict, now: now)
            return nil
        }
        switch self.orders.popFirst() {
        case .add(let token, let id): return self.add(token, id: id)
        case .delete(let token, let id): self.delete(token, id: id)
        case nil: break
        }
        return nil
    }

    /// A token that the session has already is acknowledged, and nothing else.
    private mutating func add(_ token: String, id: Int?) -> SessionAction? {
        if self.tokens.contains(token) {
            self.reply(id, nil)
        } else if self.tokens.isFull {
            self.reply(id, .tooMany)
        } else if token.utf8.count > MProxy.Upgrade.mostToken {
            self.refuse(id)
        } else {
            self.judged = (token, id, nil)
            // As the proof, as identities are logged.
            return .authenticate(Claim(identity: [], proof: Array(token.utf8)))
        }
        return nil
    }

    private mutating func delete(_ token: String, id: Int) {
        let gone = token == MProxy.Command.everyToken ? self.tokens.removeAll() : self.tokens.remove(token)
        for destination in gone ?? [] { self.steps.append(.withdraw(destination)) }
        self.steps.append(.say(.reply(to: id, gone == nil ? .invalidToken : nil)))
    }

    /// Takes back what a token served whose time is up. Visitors that are there stay; without another token and without them
    /// the session is over.
    mutating func expireTokens(now: NIODeadline) {
        while let token = self.tokens.expired(now: now) {
            for destination in self.tokens.remove(token) ?? [] { self.steps.append(.withdraw(destination)) }
            self.steps.append(.say(.complaint(.expired)))
            self.hasExpired = true
        }
        guard self.hasExpired, self.steps.isEmpty, self.tokens.isEmpty, self.common.table.count == 0 else { return }
        // A better one may be on its way.
        if self.orders.isEmpty, self.judged == nil { self.close(.timedOut(phase: Self.lifetimePhase)) }
    }

    private mutating func answer(_ token: String, id: Int?, _ verdict: Verdict, now: NIODeadline) {
        guard case .accepted(_, let credential) = verdict,
            let entitlement = try? MProxy.Entitlement(claims: ByteBuffer(bytes: credential))
        else { return self.refuse(id) }
        let new = self.tokens.add(token, entitlement, now: now)
        self.hasExpired = false
        self.steps.append(.ready)
        for destination in new { self.steps.append(.serve(destination)) }
        self.steps.append(.conclude(token, entitlement, id: id))
    }

    /// Grants what is served of a token, and acknowledges it.
    mutating func conclude(_ token: String, _ entitlement: MProxy.Entitlement, id: Int?) {
        var served = entitlement
        served.names.removeAll { !self.tokens.serves(.service(name: $0, port: 0)) }
        served.ports.removeAll { !self.tokens.serves(.service(name: "", port: $0)) }
        let isNothingLeft = served.destinations.isEmpty && !entitlement.destinations.isEmpty
        defer { self.withholdings = [:] }
        guard !isNothingLeft else {
            _ = self.tokens.remove(token)
            return self.reply(id, self.failure(withholding: entitlement))
        }
        if !served.destinations.isEmpty { self.common.say(.request(id: 2, .grant(self.shares(served)))) }
        self.reply(id, nil)
    }

    /// Why the device gets nothing of a token.
    private func failure(withholding entitlement: MProxy.Entitlement) -> MProxy.Failure {
        guard entitlement.names.isEmpty else { return .nameTaken }
        let isOffered = entitlement.destinations.contains { self.withholdings[$0] != .notOffered }
        return isOffered ? .portTaken : .portClosed
    }

    /// As deployed relays write it, which know one name and one port.
    private func shares(_ served: MProxy.Entitlement) -> [MProxy.Share] {
        let shared = self.configuration.sharedName
        let ssh = MProxy.Share(scheme: "ssh", host: shared.map { "ssh.\($0)" }, ports: served.ports, isListed: true)
        let tcp = MProxy.Share(scheme: "tcp", host: shared.map { "tcp.\($0)" }, ports: served.ports, isListed: true)
        let https = served.names.map { MProxy.Share(scheme: "https", host: $0) }
        return served.names.prefix(1).map { MProxy.Share(scheme: "ssh+https", host: $0, ports: [443]) }
            + [ssh, tcp] + https
    }

    private mutating func refuse(_ id: Int?) {
        self.denied += 1
        self.reply(id, .invalidToken)
        if self.denied >= Self.mostDenied { self.close(.denied) }
    }

    /// A token of the upgrade is nobody's request: its failure is the end.
    private mutating func reply(_ id: Int?, _ failure: MProxy.Failure?) {
        if let id { return self.common.say(.reply(to: id, failure)) }
        guard let failure else { return }
        self.common.say(.complaint(failure))
        self.close(.denied)
    }

    // MARK: Control messages

    /// A device that has announced the extension hears that we use it. Streams that we begin behind that have windows.
    mutating func welcome() {
        guard self.configuration.usesExtension, self.common.dialect == .node else { return }
        let version = MProxy.Extension.version
        self.common.say(.request(id: MProxy.Extension.welcomeID, .windows(version: version)))
        self.common.extend()
    }

    /// A device that refuses what it has announced would wait for ever for what we take for its credit.
    private mutating func answered(_ id: Int, _ failure: MProxy.Failure?) {
        guard id == MProxy.Extension.welcomeID, failure != nil, self.common.isExtended
        else { return self.common.answered(id) }
        self.close(.violation(WireError(.unexpected, in: "windows", found: "refused by who announced it")))
    }

    mutating func handle(_ body: ByteBuffer) {
        guard let control = try? MProxy.Control(body.readableBytesView) else {
            return self.common.say(.complaint(.badCommand(String(decoding: body.readableBytesView, as: UTF8.self))))
        }
        switch control {
        case .reply(let id, let failure): self.answered(id, failure)
        case .complaint: break
        case .request(let id, .addToken(let token)): self.orders.append(.add(token, id: id))
        case .request(let id, .deleteToken(let token)): self.orders.append(.delete(token, id: id))
        case .request(let id, .addNothing): self.common.say(.reply(to: id, .invalidToken))
        case .request(let id, .hello): self.common.say(.reply(to: id, .unknownCommand("hello")))
        case .request(let id, .grant): self.common.say(.reply(to: id, .unknownCommand("grant")))
        case .request(let id, .accessToken): self.common.say(.reply(to: id, .unknownCommand("access_token")))
        case .request(let id, .windows): self.common.say(.reply(to: id, .unknownCommand("windows")))
        case .request(let id, .ping): self.common.answerPing(id)
        case .request(let id, .unknown(let word)): self.common.say(.reply(to: id, .unknownCommand(word)))
        }
    }
}
