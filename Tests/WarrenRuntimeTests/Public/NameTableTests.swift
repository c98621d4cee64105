// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenRuntime

@Suite struct NameTableTests {
    private static func holder(_ device: String) -> NameTable.Holder {
        NameTable.Holder(session: AskedSession(ScriptedOwner()), loop: .idle, device: device)
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
