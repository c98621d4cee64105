// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

@Suite struct AddressRaceTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let six = IPAddress(high: 1, low: 1)
    private static let four = IPAddress(v4: 0x0A00_0001)

    @Test("an address that fails ends the race, whichever family it is", arguments: [six, four])
    func oneAddress(address: IPAddress) {
        var race = AddressRace(to: address)
        #expect(race.next(now: Self.start) == .connect(address, attempt: 1))
        race.failed(1, .unreachable)
        #expect(race.next(now: Self.start) == .fail(.unreachable))
        #expect(race.next(now: Self.start) == nil && race.deadline == nil)
    }

    @Test("a silent address is tried once a second by those who insist, for as long as they may")
    func insists() {
        var race = AddressRace(to: Self.four, insisting: .init(pause: .seconds(1), limit: .seconds(10)))
        var tries: [Int64] = []
        var now = Self.start
        while true {
            if let step = race.next(now: now) {
                guard case .connect(Self.four, _) = step else {
                    #expect(step == .fail(.timedOut))
                    break
                }
                tries.append((now - Self.start).nanoseconds / 1_000_000_000)
            } else if let deadline = race.deadline {
                now = deadline
            } else {
                Issue.record("it waits for nobody")
                break
            }
        }
        #expect(tries == Array(0...9) && now == Self.start + .seconds(10))
    }

    @Test("one bad address of two gives way to the good one", arguments: [IPAddress.Family.v4, .v6])
    func badAddressFirst(prefer: IPAddress.Family) {
        var race = AddressRace(prefer: prefer, resolveBy: Self.start + .seconds(10))
        race.resolved(.v6, [Self.six], nil, now: Self.start)
        race.resolved(.v4, [Self.four], nil, now: Self.start)
        let order = prefer == .v4 ? [Self.four, Self.six] : [Self.six, Self.four]
        #expect(race.next(now: Self.start) == .connect(order[0], attempt: 1))
        #expect(race.next(now: Self.start) == nil)
        race.failed(1, .unreachable)
        #expect(race.next(now: Self.start) == .connect(order[1], attempt: 2))
    }

    @Test("a host without addresses is unknown, whichever family answers last", arguments: [IPAddress.Family.v4, .v6])
    func noAddresses(last: IPAddress.Family) {
        for prefer in [IPAddress.Family.v4, .v6] {
            var race = AddressRace(prefer: prefer, resolveBy: Self.start + .seconds(10))
            race.resolved(last == .v4 ? .v6 : .v4, [], nil, now: Self.start)
            #expect(race.next(now: Self.start) == nil)
            race.resolved(last, [], nil, now: Self.start)
            #expect(race.next(now: Self.start) == .fail(.unknownHost))
        }
    }
}

/// Random sequences of everything that a race can be told, against what must hold for all of them.
@Suite("A race to addresses, in any order of events") struct AddressRaceModelTests {
    private struct World {
        var random: SeededRandom
        var race: AddressRace
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        let end: NIODeadline
        var unanswered: [IPAddress.Family]
        /// Allowed and not tried yet.
        var untried: [IPAddress] = []
        var underWay: [Int] = []
        var failures: [StreamFault] = []
        var fault: StreamFault?
        let insists: Bool
        var given: Set<IPAddress> = []
        var isOver = false

        init(_ seed: UInt64) {
            self.random = SeededRandom(seed)
            self.end = self.now + .seconds(10)
            self.insists = Bool.random(using: &self.random)
            let insistence = AddressRace.Insistence(pause: .seconds(1), limit: .seconds(10))
            if Int.random(in: 0..<5, using: &self.random) == 0 {
                let address = Self.address(Bool.random(using: &self.random) ? .v4 : .v6, 1)
                self.race = AddressRace(to: address, insisting: self.insists ? insistence : nil)
                self.untried = [address]
                self.given = [address]
                self.unanswered = []
            } else {
                self.race = AddressRace(
                    prefer: Bool.random(using: &self.random) ? .v4 : .v6, resolveBy: self.end,
                    insisting: self.insists ? insistence : nil)
                self.unanswered = [.v4, .v6]
            }
        }

        static func address(_ family: IPAddress.Family, _ number: Int) -> IPAddress {
            family == .v4 ? IPAddress(v4: 0x0A00_0000 + UInt32(number)) : IPAddress(high: 1, low: UInt64(number))
        }

        mutating func pull() {
            while let step = self.race.next(now: self.now) {
                #expect(!self.isOver, "nothing follows the end")
                switch step {
                case .connect(let address, let attempt):
                    let place = self.untried.firstIndex(of: address)
                    #expect(
                        place != nil || (self.insists && self.given.contains(address)),
                        "only what was given, and each once but for those that insist")
                    if let place { self.untried.remove(at: place) }
                    #expect(!self.underWay.contains(attempt))
                    self.underWay.append(attempt)
                    if Int.random(in: 0..<4, using: &self.random) == 0 { self.fail(attempt) }
                case .fail(let fault):
                    self.isOver = true
                    self.fault = fault
                }
            }
        }

        mutating func fail(_ attempt: Int) {
            self.underWay.removeAll { $0 == attempt }
            let faults: [StreamFault] = [.refused, .unreachable, .timedOut, .limit, .failed, .notAllowed]
            let fault = faults.randomElement(using: &self.random) ?? .failed
            self.failures.append(fault)
            self.race.failed(attempt, fault)
            if Bool.random(using: &self.random) { self.race.failed(attempt, .failed) }  // said twice
        }

        mutating func resolve(_ family: IPAddress.Family) {
            let count = [0, 0, 1, 1, 2, 5, 30].randomElement(using: &self.random) ?? 0
            let addresses = (0..<count).map { Self.address(family, $0) }
            let isInTime = self.unanswered.contains(family) && self.now < self.end && !self.isOver
            self.unanswered.removeAll { $0 == family }
            let fault: StreamFault? = Int.random(in: 0..<4, using: &self.random) == 0 ? .notAllowed : nil
            self.race.resolved(family, addresses, fault, now: self.now)
            guard isInTime else { return }
            self.untried += addresses
            self.given.formUnion(addresses)
            if let fault { self.failures.append(fault) }
        }

        mutating func act() {
            switch Int.random(in: 0..<10, using: &self.random) {
            case 0...2: self.resolve(Bool.random(using: &self.random) ? .v4 : .v6)
            case 3...5: if let attempt = self.underWay.randomElement(using: &self.random) { self.fail(attempt) }
            case 6: self.now = self.now + .milliseconds(.random(in: 0...400, using: &self.random))
            case 7: if let deadline = self.race.deadline { self.now = max(self.now, deadline) }
            case 8: self.race.failed(.random(in: 0...40, using: &self.random) + 1000, .failed)
            default: if Int.random(in: 0..<20, using: &self.random) == 0 { self.now = self.now + .seconds(9) }
            }
        }
    }

    @Test("it ends once, after everything was tried, and wants nothing behind its end")
    func anyOrder() {
        for seed in ModelRuns.seeds {
            var world = World(seed)
            world.pull()
            let isCalledOff = Int.random(in: 0..<4, using: &world.random) == 0
            for _ in 0..<Int.random(in: 0..<40, using: &world.random) where !world.isOver {
                world.act()
                world.pull()
                if world.race.deadline == nil, !world.isOver {
                    #expect(!world.underWay.isEmpty || !world.unanswered.isEmpty, "it waits for somebody: \(seed)")
                }
            }
            if isCalledOff, !world.isOver {
                world.race.end()
                #expect(world.race.next(now: world.now + .seconds(100)) == nil && world.race.deadline == nil)
                continue
            }
            self.finish(&world, seed)
        }
    }

    /// Everybody answers in the end.
    private func finish(_ world: inout World, _ seed: UInt64) {
        for family in world.unanswered { world.resolve(family) }
        var turns = 0
        let isSilent = world.insists && Bool.random(using: &world.random)
        while !world.isOver, turns < 2000 {
            turns += 1
            world.pull()
            if !isSilent, !world.isOver, let attempt = world.underWay.first { world.fail(attempt) }
            if let deadline = world.race.deadline { world.now = max(world.now, deadline) }
        }
        #expect(world.isOver && (world.untried.isEmpty || world.insists), "seed \(seed)")
        #expect(world.underWay.isEmpty || world.insists, "those who insist have a limit: seed \(seed)")
        #expect(world.race.deadline == nil && world.race.next(now: world.now) == nil, "seed \(seed)")
        let told = world.failures.map(\.tells).max() ?? 0
        #expect((world.fault?.tells ?? 0) >= told, "the fault that tells most: seed \(seed)")
    }
}
