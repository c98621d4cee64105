// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

/// A line, and what must hold of it whatever is asked, dropped and answered in whatever order.
private struct Model {
    var line: NameLine
    var random: SeededRandom
    var now = NIODeadline.uptimeNanoseconds(1)
    var waiting: [NameLine.Ticket: (name: HostName, asker: Asker)] = [:]
    var underWay: [HostName: Asker?] = [:]
    let names: [HostName]
    let askers: [Asker]
    let limits: NameLine.Limits

    init(_ seed: UInt64) {
        var random = SeededRandom(seed)
        var limits = NameLine.Limits(threads: .random(in: 1...8, using: &random))
        limits.perAsker = .random(in: 1...limits.threads, using: &random)
        limits.perDomain = .random(in: 1...limits.perAsker, using: &random)
        limits.perDomainWithAbandoned = .random(in: limits.perDomain...limits.threads, using: &random)
        limits.tickets = .random(in: 1...40, using: &random)
        limits.kept = .random(in: 0...4, using: &random)
        self.limits = limits
        self.line = NameLine(limits)
        self.names = (0..<Int.random(in: 1...12, using: &random)).compactMap { HostName("n\($0).d\($0 % 3).test") }
        self.askers = (0..<Int.random(in: 1...5, using: &random)).map { .user("\($0)") }
        self.random = random
    }

    mutating func step() {
        switch Int.random(in: 0..<10, using: &self.random) {
        case 0..<5: self.ask()
        case 5..<7: self.drop()
        case 7..<9: self.answer()
        default: self.now = self.now + .milliseconds(.random(in: 0...3000, using: &self.random))
        }
        self.begin()
    }

    private mutating func ask() {
        guard let name = self.names.randomElement(using: &self.random),
            let asker = self.askers.randomElement(using: &self.random)
        else { return }
        let own = self.waiting.values.count { $0.asker == asker }
        switch self.line.ask(name, for: asker, now: self.now) {
        case .waiting(let ticket):
            #expect(self.waiting.updateValue((name, asker), forKey: ticket) == nil)
        case .known: #expect(self.limits.kept > 0)
        // Nobody is turned away who has less than there is left.
        case .full: #expect(own >= self.limits.tickets - self.waiting.count)
        }
        #expect(self.waiting.count <= self.limits.tickets)
    }

    private mutating func drop() {
        guard let ticket = self.waiting.keys.min(by: { _, _ in Bool.random(using: &self.random) }) else { return }
        self.waiting[ticket] = nil
        self.line.drop(ticket)
    }

    mutating func answer() {
        guard let name = self.underWay.keys.sorted(by: { $0.text < $1.text }).randomElement(using: &self.random) else {
            return
        }
        self.underWay[name] = nil
        let address = IPAddress(v4: 1)
        let results: [Result<[IPAddress], StreamFault>] = [.success([]), .success([address]), .failure(.limit)]
        let told = self.line.answered(name, results.randomElement(using: &self.random) ?? .success([]), now: self.now)
        // All who wait for it, nobody else, and nobody twice.
        #expect(Set(told) == Set(self.waiting.filter { $0.value.name == name }.keys) && Set(told).count == told.count)
        for ticket in told { self.waiting[ticket] = nil }
    }

    mutating func begin() {
        while let name = self.line.begin() {
            #expect(self.waiting.values.contains { $0.name == name })
            #expect(self.underWay.updateValue(nil, forKey: name) == nil, "one look-up of a name at a time")
        }
        #expect(self.line.running == self.underWay.count && self.underWay.count <= self.limits.threads)
        // With nothing under way nobody waits.
        #expect(!self.underWay.isEmpty || self.waiting.isEmpty)
        #expect(self.line.counts.tickets == self.waiting.count)
        let names = Set(self.waiting.values.map(\.name)).union(self.underWay.keys)
        #expect(self.line.counts.queries == names.count)
    }
}

@Suite struct NameLineModelTests {
    @Test func holdsForRandomSequences() {
        for seed in ModelRuns.seeds {
            var model = Model(seed)
            for _ in 0..<60 { model.step() }
            // In the end everybody is answered.
            while !model.underWay.isEmpty {
                model.answer()
                model.begin()
            }
            #expect(model.waiting.isEmpty)
            #expect(model.line.counts == (0, 0, 0, 0), "seed \(seed)")
        }
    }
}
