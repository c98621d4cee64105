// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

@Suite struct NameTableTests {
    private static func holder(
        _ device: String, instance: String? = nil, on loop: SocketLoop = .manual()
    ) -> NameTable.Holder {
        NameTable.Holder(
            session: AskedSession(ScriptedOwner()), loop: loop, device: device, instance: instance)
    }

    private static func session(_ found: NameTable.Found) -> (any Session)? {
        if case .device(let holder) = found { holder.session } else { nil }
    }

    private static func name(_ text: String) -> Destination { .service(name: text, port: 0) }

    private static func found(_ table: NameTable, _ name: String, port: UInt16 = 443) -> String {
        switch table.find(.service(name: name, port: port)) {
        case .device(let holder): holder.device
        case .offline: "offline"
        case .unknown: "unknown"
        }
    }

    @Test func aNameIsServedWithAllThatIsUnderIt() {
        let table = NameTable(.replace)
        _ = table.serve(Self.name("a.example"), by: Self.holder("a"))
        _ = table.serve(Self.name("*.b.example"), by: Self.holder("b"))
        _ = table.serve(Self.name("c.a.example"), by: Self.holder("c"))
        let asked = [
            "a.example", "x.y.a.example", "c.a.example", "d.c.a.example", "x.b.example", "b.example", "example",
        ]
        #expect(asked.map { Self.found(table, $0) } == ["a", "a", "c", "c", "b", "unknown", "unknown"])
    }

    @Test func whatNobodyServesYetIsServedWhereItWas() {
        let (former, table) = (NameTable(.replace), NameTable(.reject))
        _ = former.serve(Self.name("a.example"), by: Self.holder("a"))
        _ = former.serve(Self.name("b.example"), by: Self.holder("old"))
        _ = former.serve(.service(name: "", port: 7), by: Self.holder("p"))
        _ = table.serve(Self.name("example"), by: Self.holder("all"))
        _ = table.serve(Self.name("b.example"), by: Self.holder("new"))
        func found(_ name: String, port: UInt16 = 443) -> String? {
            let destination = Destination.service(name: name, port: port)
            guard case .device(let holder) = table.find(destination, before: [former]) else { return nil }
            return holder.device
        }
        // The longest name has the visitor, wherever it is.
        #expect(found("a.example") == "a")
        #expect(found("b.example") == "new")
        #expect(found("c.example") == "all")
        #expect(found("", port: 7) == "p")
        #expect(found("", port: 8) == nil)
        table.expect(["late.test"])
        #expect(Self.found(table, "late.test") == "offline")
    }

    @Test(
        "a visitor's word is never looked up in anything but the table",
        arguments: ["constructor", "__proto__", "*", "a"])
    func oddNames(name: String) {
        let table = NameTable(.replace)
        _ = table.serve(Self.name("a.example"), by: Self.holder("a"))
        #expect(Self.found(table, name) == "unknown")
    }

    @Test func whoServesANameTwiceIsAsConfigured() {
        for (duplicates, expected) in [(NameTable.Duplicates.reject, "one"), (.replace, "two")] {
            let table = NameTable(duplicates)
            _ = table.serve(Self.name("a.example"), by: Self.holder("one"))
            _ = table.serve(Self.name("a.example"), by: Self.holder("two"))
            #expect(Self.found(table, "a.example") == expected)
        }
        let replacing = NameTable(.replace)
        let (one, two) = (Self.holder("one"), Self.holder("two"))
        for holder in [one, two] { _ = replacing.serve(Self.name("a.example"), by: holder) }
        replacing.leave(two.session)
        #expect(Self.found(replacing, "a.example") == "one", "it goes back when the last one has gone")
        let table = NameTable(.balance)
        for device in ["one", "two"] { _ = table.serve(Self.name("a.example"), by: Self.holder(device)) }
        #expect((0..<4).map { _ in Self.found(table, "a.example") } == ["two", "one", "two", "one"])
    }

    @Test(
        "a device that comes again takes its names over at once, also where others may not", arguments: [true, false])
    func takesItsOwnOver(rejects: Bool) {
        let table = NameTable(rejects ? .reject : .replace)
        let (old, new) = (Self.holder("one"), Self.holder("one"))
        _ = table.serve(Self.name("a.example"), by: old)
        #expect(table.serve(Self.name("a.example"), by: new))
        guard case .device(let holder) = table.find(Self.name("a.example")) else {
            Issue.record("nobody serves it")
            return
        }
        #expect(holder.session === new.session)
        table.leave(old.session)
        #expect(Self.found(table, "a.example") == "one")
        table.leave(new.session)
        #expect(Self.found(table, "a.example") == "offline")
    }

    @Test func aNameThatIsGivenBackIsItsParentsAndOneWhoseDeviceIsLostIsNot() {
        let table = NameTable(.replace)
        let (child, parent) = (Self.holder("child"), Self.holder("parent"))
        let names = ["x.b.test", "*.c.test", "lone.test"]
        for name in names { _ = table.serve(Self.name(name), by: child) }
        for name in ["b.test", "c.test"] { _ = table.serve(Self.name(name), by: parent) }
        let visited = ["x.b.test", "y.x.b.test", "x.c.test", "lone.test", "b.test"]
        func found() -> [String] { visited.map { Self.found(table, $0) } }
        #expect(found() == ["child", "child", "child", "child", "parent"])
        for name in names { table.withdraw(Self.name(name), by: child.session) }
        #expect(found() == ["parent", "parent", "parent", "offline", "parent"])
        for name in names { _ = table.serve(Self.name(name), by: child) }
        table.leave(child.session)
        #expect(found() == ["offline", "offline", "offline", "offline", "parent"])
        _ = table.serve(Self.name("x.b.test"), by: child)
        table.withdraw(Self.name("x.b.test"), by: child.session)
        table.leave(parent.session)
        #expect(Self.found(table, "x.b.test") == "offline")
        #expect(Self.found(table, "other.test") == "unknown")
    }

    @Test func whoServesANameLastDecidesWhatBecomesOfIt() {
        let table = NameTable(.replace)
        let devices = [Self.holder("one"), Self.holder("two")]
        _ = table.serve(Self.name("b.test"), by: Self.holder("parent"))
        for device in devices { _ = table.serve(Self.name("x.b.test"), by: device) }
        table.leave(devices[1].session)
        table.withdraw(Self.name("x.b.test"), by: devices[0].session)
        #expect(Self.found(table, "x.b.test") == "parent")
        for device in devices { _ = table.serve(Self.name("x.b.test"), by: device) }
        table.withdraw(Self.name("x.b.test"), by: devices[1].session)
        table.leave(devices[0].session)
        #expect(Self.found(table, "x.b.test") == "offline")
    }

    @Test func aNameThatIsGivenBackWhereItWasServedBeforeAReloadIsItsParents() {
        let (former, table) = (NameTable(.replace), NameTable(.replace))
        let old = Self.holder("old")
        _ = former.serve(Self.name("x.b.test"), by: old)
        table.expect(former.names)
        _ = table.serve(Self.name("b.test"), by: Self.holder("parent"))
        func found() -> String {
            switch table.find(Self.name("x.b.test"), before: [former]) {
            case .device(let holder): holder.device
            case .offline: "offline"
            case .unknown: "unknown"
            }
        }
        #expect(found() == "old")
        former.withdraw(Self.name("x.b.test"), by: old.session)
        #expect(found() == "parent")
    }

    @Test("lanes of one process have visitors in turn; one that comes back has them all", arguments: [true, false])
    func lanes(isPort: Bool) {
        let table = NameTable(.reject)
        let asked: Destination = isPort ? .service(name: "", port: 22) : Self.name("a.example")
        let lanes = (0..<3).map { _ in Self.holder("one", instance: "x") }
        for lane in lanes {
            let isServed = table.serve(asked, by: lane)
            #expect(isServed)
        }
        var counts = [0, 0, 0]
        for _ in 0..<30 {
            let session = Self.session(table.find(asked))
            for (index, lane) in lanes.enumerated() where lane.session === session { counts[index] += 1 }
        }
        #expect(counts == [10, 10, 10])
        // Its process died, and nobody has noticed yet.
        let new = Self.holder("one", instance: "y")
        #expect(table.serve(asked, by: new))
        #expect((0..<4).allSatisfy { _ in Self.session(table.find(asked)) === new.session })
        table.leave(new.session)
        table.leave(lanes[1].session)
        let left = [lanes[0].session, lanes[2].session]
        for _ in 0..<4 {
            let session = Self.session(table.find(asked))
            #expect(left.contains { $0 === session })
        }
    }

    @Test func sessionsThatSayNoProcessAreNoLanes() {
        let table = NameTable(.replace)
        let (old, new) = (Self.holder("one"), Self.holder("one"))
        for one in [old, new] { _ = table.serve(Self.name("a.example"), by: one) }
        #expect((0..<4).allSatisfy { _ in Self.session(table.find(Self.name("a.example"))) === new.session })
    }

    @Test func aLaneOnTheVisitorsLoopIsTaken() {
        let table = NameTable(.replace)
        let loops = [SocketLoop.manual(), SocketLoop.manual()]
        let lanes = loops.map { Self.holder("one", instance: "x", on: $0) }
        for lane in lanes { _ = table.serve(Self.name("a.example"), by: lane) }
        for (loop, lane) in zip(loops, lanes) {
            for _ in 0..<3 { #expect(Self.session(table.find(Self.name("a.example"), from: loop)) === lane.session) }
        }
    }

    @Test func devicesShareEvenlyWhateverLanesTheyHave() {
        let table = NameTable(.balance)
        for _ in 0..<3 { _ = table.serve(Self.name("a.example"), by: Self.holder("one", instance: "x")) }
        _ = table.serve(Self.name("a.example"), by: Self.holder("two"))
        let found = (0..<8).map { _ in Self.found(table, "a.example") }
        #expect(found == ["two", "one", "two", "one", "two", "one", "two", "one"])
    }

    @Test("the loop that a visitor is told first is that of the device that has it then, and nobody's turn passes")
    func homes() {
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            let duplicates = NameTable.Duplicates.allCases.randomElement(using: &random) ?? .balance
            let (table, twin, former) = (NameTable(duplicates), NameTable(duplicates), NameTable(duplicates))
            let loops = (0..<3).map { _ in SocketLoop.manual() }
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let lane = ["x", "y", nil].randomElement(using: &random) ?? nil
                let holder = Self.holder(
                    "\(Int.random(in: 0..<3, using: &random))", instance: lane,
                    on: loops[Int.random(in: 0..<3, using: &random)])
                for name in ["a.example", "b.example"] where Bool.random(using: &random) {
                    for table in [table, twin] { _ = table.serve(Self.name(name), by: holder) }
                }
                _ = former.serve(.service(name: "", port: 22), by: holder)
                _ = former.serve(Self.name("c.example"), by: holder)
            }
            for _ in 0..<20 {
                let name = ["a.example", "x.b.example", "c.example", ""].randomElement(using: &random) ?? ""
                let asked = Destination.service(name: name, port: 22)
                let loop = loops[Int.random(in: 0..<3, using: &random)]
                let told = (0..<2).map { _ in table.find(asked, from: loop, takesTurn: false, before: [former]) }
                guard case .device(let first) = told[0], case .device(let second) = told[1] else { continue }
                guard case .device(let holder) = table.find(asked, from: first.loop, before: [former]) else {
                    Issue.record("seed \(seed): nobody serves \(name) on its second visit")
                    return
                }
                #expect(first.session === second.session, "seed \(seed)")
                #expect(holder.loop === first.loop && holder.device == first.device, "seed \(seed)")
                // One that nobody asks twice has the same devices in the same turn.
                guard case .device(let other) = twin.find(asked, from: loop) else { continue }
                #expect(other.device == holder.device, "seed \(seed)")
            }
        }
    }

    @Test func visitorsThatComeTwiceAreSharedOutEvenly() {
        let table = NameTable(.balance)
        let loops = (0..<4).map { _ in SocketLoop.manual() }
        let lanes = loops[..<2].map { Self.holder("one", instance: "x", on: $0) }
        for holder in lanes + [Self.holder("two", on: loops[2])] { _ = table.serve(Self.name("a.example"), by: holder) }
        var counts: [ObjectIdentifier: Int] = [:]
        for _ in 0..<40 {
            guard
                case .device(let told) = table.find(Self.name("a.example"), from: loops[3], takesTurn: false),
                case .device(let holder) = table.find(Self.name("a.example"), from: told.loop)
            else {
                Issue.record("nobody serves it")
                return
            }
            counts[ObjectIdentifier(holder.loop), default: 0] += 1
        }
        #expect(loops.map { counts[ObjectIdentifier($0)] } == [10, 10, 20, nil])
    }

    @Test func devicesThatCameBeforeAReloadAreSharedOutEvenly() {
        let (former, table) = (NameTable(.balance), NameTable(.balance))
        for device in ["one", "two"] { _ = former.serve(Self.name("a.example"), by: Self.holder(device)) }
        for _ in 0..<2 { _ = former.serve(.service(name: "", port: 22), by: Self.holder("lane", instance: "x")) }
        var (devices, lanes) = ([String](), Set<ObjectIdentifier>())
        for _ in 0..<4 {
            if case .device(let holder) = table.find(Self.name("a.example"), before: [former]) {
                devices.append(holder.device)
            }
            let lane = Self.session(table.find(.service(name: "", port: 22), before: [former]))
            if let lane { lanes.insert(ObjectIdentifier(lane)) }
        }
        #expect(devices == ["two", "one", "two", "one"])
        #expect(lanes.count == 2)
    }

    @Test func whoWithdrawsWhatAnotherServesChangesNothing() {
        let table = NameTable(.replace)
        let (one, two) = (Self.holder("one"), Self.holder("two"))
        _ = table.serve(Self.name("a.example"), by: one)
        table.withdraw(Self.name("a.example"), by: two.session)
        table.withdraw(.service(name: "", port: 22), by: one.session)
        #expect(Self.found(table, "a.example") == "one")
        table.withdraw(Self.name("a.example"), by: one.session)
        #expect(Self.found(table, "a.example") == "offline")
        table.leave(one.session)
        #expect(table.names.isEmpty)
    }

    @Test func aPortIsOneDevicesAndIsToldOf() {
        let table = NameTable(.balance)
        let told = Told()
        let (one, two) = (Self.holder("one"), Self.holder("two"))
        _ = table.serve(.service(name: "", port: 22), by: one)
        table.watchPorts(told) { told.ports.append($0) }
        #expect(!table.serve(.service(name: "", port: 22), by: two))
        table.leave(two.session)
        #expect(table.servesPort(22) && Self.found(table, "", port: 22) == "one")
        table.leave(one.session)
        #expect(told.ports == [22, 22] && !table.servesPort(22))
        #expect(Self.found(table, "", port: 22) == "unknown")
    }

    @Test("any order of claims and ends leaves nothing of those that are gone") func model() {
        for seed in ModelRuns.seeds {
            var random = SeededRandom(seed)
            let table = NameTable([.reject, .replace, .balance].randomElement(using: &random) ?? .reject)
            var live: [NameTable.Holder] = []
            for _ in 0..<40 {
                let name = ["a.example", "b.a.example", "*.a.example"].randomElement(using: &random) ?? ""
                switch Int.random(in: 0..<4, using: &random) {
                case 0: live.append(Self.holder("\(Int.random(in: 0..<3, using: &random))"))
                case 1: if let one = live.randomElement(using: &random) { _ = table.serve(Self.name(name), by: one) }
                case 2:
                    if let one = live.randomElement(using: &random) { table.withdraw(Self.name(name), by: one.session) }
                default:
                    guard let index = live.indices.randomElement(using: &random) else { break }
                    table.leave(live.remove(at: index).session)
                }
                if case .device(let holder) = table.find(.service(name: "x.a.example", port: 1)) {
                    #expect(live.contains { $0.session === holder.session }, "seed \(seed)")
                }
            }
            for one in live { table.leave(one.session) }
            #expect(table.names.isEmpty, "seed \(seed)")
        }
    }

    private final class Told: @unchecked Sendable {
        // Sendable: the test has one thread.
        var ports: [UInt16] = []
    }
}
