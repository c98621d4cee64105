// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Synchronization
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

@Suite(.timeLimit(.minutes(5))) struct PublicPortsTests {
    /// A relay of which only the ports are there.
    private struct Rig {
        let log = LogRecorder()
        let loops = Loops(threads: 2)
        let outbound: PublicNamesOutbound
        let ports: PublicPorts
        /// Two ports that devices may have, out of the range from which the system gives some.
        let first: UInt16

        init(_ duplicates: NameTable.Duplicates = .reject) async throws {
            let first = try await Self.freePorts(on: self.loops)
            let plan = PublicNamesOutbound.Plan(duplicates: duplicates, judge: NoAuthenticator()) { leg, _, _ in
                leg.discard()
            }
            self.first = first
            self.outbound = PublicNamesOutbound(plan, name: "devices", loops: self.loops, reporter: self.log.reporter)
            self.ports = PublicPorts(
                of: self.outbound, allowed: [first...first + 1], name: "visitors", loops: self.loops,
                reporter: self.log.reporter, makePlan: { Self.plan($0) })
            self.ports.prepare(ConnectionLimiter(limit: 1000, reporter: self.log.reporter))
            try await self.ports.start().get()
        }

        /// Says which port it is, or something else, and ends.
        static func plan(_ port: UInt16, saying words: String? = nil) -> Listener.Plan {
            Listener.Plan(name: "visitors", protocol: "public", host: "127.0.0.1", port: port) { leg, _ in
                leg.begin()
                leg.write(ByteBuffer(string: words ?? "\(port)"))
                leg.flush()
                leg.finish()
                leg.end(nil)
            }
        }

        /// Ports that no other test of this process takes meanwhile.
        private static let candidates = Candidates()

        private final class Candidates: Sendable {
            private let latest = Mutex(UInt16.random(in: 30_000..<31_000))

            func next() -> UInt16 {
                self.latest.withLock {
                    $0 += 3
                    return $0
                }
            }
        }

        private static func freePorts(on loops: Loops) async throws -> UInt16 {
            let gate = ConnectionLimiter(limit: 1, reporter: LogRecorder().reporter)
            for _ in 0..<100 {
                let first = Self.candidates.next()
                guard let one = try? await Listener.bind(Self.plan(first), on: loops, gate: gate) else { continue }
                let two = try? await Listener.bind(Self.plan(first + 1), on: loops, gate: gate)
                await one.close()
                await two?.close()
                if two != nil { return first }
            }
            throw ChannelError.unknownLocalAddress
        }

        /// What a reload puts in the place of the ports, not started.
        func next(
            allowed: [ClosedRange<UInt16>], of outbound: PublicNamesOutbound? = nil,
            plan: @escaping @Sendable (UInt16) -> Listener.Plan = { Self.plan($0) }
        ) -> PublicPorts {
            let next = PublicPorts(
                of: outbound ?? self.outbound, allowed: allowed, name: "visitors", loops: self.loops,
                reporter: self.log.reporter, makePlan: plan)
            next.prepare(ConnectionLimiter(limit: 1000, reporter: self.log.reporter))
            return next
        }

        func device(_ name: String) -> AskedSession { AskedSession(self.outbound.owner(of: nil), user: name) }

        /// - Returns: whether the device has it.
        @discardableResult
        func serve(_ port: UInt16, by session: AskedSession) -> Bool {
            let holder = NameTable.Holder(session: session, loop: session.loop, device: session.user ?? "")
            return self.outbound.table.serve(.service(name: "", port: port), by: holder)
        }

        /// What a visitor hears; nil where nobody listens.
        func visit(_ port: UInt16) async -> String? {
            guard let address = try? SocketAddress(ipAddress: "127.0.0.1", port: Int(port)),
                let peer = try? await Peer.connect(to: address)
            else { return nil }
            defer { peer.close() }
            return (try? await peer.everything().bytes).map { String(buffer: $0) } ?? ""
        }

        /// Waits until a port is open, or is not.
        func waits(for port: UInt16, open: Bool) async {
            while !Task.isCancelled {
                let heard = await self.visit(port)
                if open ? heard == "\(port)" : heard == nil { return }
                await Task.yield()
            }
            Issue.record("port \(port) is not \(open ? "open" : "closed")")
        }

        var warnings: [String] { self.log.lines.filter { $0.level == .warning }.map(\.message) }
    }

    @Test func aPortIsOpenAsLongAsADeviceHasIt() async throws {
        let rig = try await Rig()
        #expect(await rig.visit(rig.first) == nil)
        let device = rig.device("one")
        rig.serve(rig.first, by: device)
        await rig.waits(for: rig.first, open: true)
        #expect(await rig.visit(rig.first + 1) == nil)
        rig.serve(rig.first + 1, by: device)
        await rig.waits(for: rig.first + 1, open: true)
        rig.outbound.table.withdraw(.service(name: "", port: rig.first), by: device)
        await rig.waits(for: rig.first, open: false)
        #expect(await rig.visit(rig.first + 1) == "\(rig.first + 1)")
        rig.outbound.table.leave(device)
        await rig.waits(for: rig.first + 1, open: false)
        rig.ports.stop()
        #expect(rig.warnings == [])
    }

    @Test func aPortThatAnotherDeviceHasIsNotHadTwiceAndClosesWithItsOwner() async throws {
        let rig = try await Rig()
        let (one, two) = (rig.device("one"), rig.device("two"))
        #expect(rig.serve(rig.first, by: one))
        await rig.waits(for: rig.first, open: true)
        #expect(!rig.serve(rig.first, by: two))
        rig.outbound.table.leave(two)
        #expect(await rig.visit(rig.first) == "\(rig.first)")
        rig.outbound.table.leave(one)
        await rig.waits(for: rig.first, open: false)
        rig.ports.stop()
    }

    @Test func aPortThatIsTakenIsToldOfOnceAndOpenedWhenItIsFree() async throws {
        let rig = try await Rig()
        let gate = ConnectionLimiter(limit: 10, reporter: LogRecorder().reporter)
        var plan = Rig.plan(rig.first)
        plan.install = { leg, _ in leg.discard() }
        let other = try await Listener.bind(plan, on: rig.loops, gate: gate)
        let device = rig.device("one")
        rig.serve(rig.first, by: device)
        while rig.warnings.isEmpty, !Task.isCancelled { await Task.yield() }
        let reason = "the port is in use; stop the other program or choose another port"
        #expect(rig.warnings == ["visitors: port \(rig.first) of a device cannot be opened yet: \(reason)"])
        await other.close()
        await rig.waits(for: rig.first, open: true)
        #expect(rig.warnings.count == 1)
        rig.ports.stop()
    }

    @Test func aPortThatIsNotNamedStaysClosedAndIsToldOf() async throws {
        let rig = try await Rig()
        rig.serve(rig.first + 2, by: rig.device("one"))
        #expect(
            rig.warnings == [
                "visitors: a device may have port \(rig.first + 2), which ports: does not name; it is not opened"
            ])
        #expect(await rig.visit(rig.first + 2) == nil)
        rig.ports.stop()
    }

    @Test func aPortThatNobodyWouldOpenIsNotGranted() async throws {
        let rig = try await Rig()
        let (device, owner) = (rig.device("one"), rig.outbound.owner(of: nil))
        func isGranted(_ port: UInt16) -> Bool { owner.sessionServes(device, .service(name: "", port: port)) == nil }
        #expect(isGranted(rig.first))
        #expect(!isGranted(rig.first + 2))
        #expect(
            rig.warnings == ["devices: one may have port \(rig.first + 2), which no ports: names; it is not opened"])
        // A reload that names it holds from the next login on; what leaves offers nothing.
        let next = rig.next(allowed: [rig.first + 2...rig.first + 2])
        #expect(isGranted(rig.first + 2))
        next.takeOver(from: rig.ports)
        #expect(!isGranted(rig.first + 1))
        next.stop()
        rig.ports.stop()
        #expect(!isGranted(rig.first + 2))
    }

    @Test func aPortThatAnotherProgramHasIsNotGranted() async throws {
        let rig = try await Rig()
        let gate = ConnectionLimiter(limit: 10, reporter: LogRecorder().reporter)
        let other = try await Listener.bind(Rig.plan(rig.first, saying: "other"), on: rig.loops, gate: gate)
        let (device, owner) = (rig.device("one"), rig.outbound.owner(of: nil))
        func serve(_ port: UInt16) -> Withholding? { owner.sessionServes(device, .service(name: "", port: port)) }
        #expect(serve(rig.first) == .taken)
        let reason = "the port is in use; stop the other program or choose another port"
        #expect(rig.warnings == ["devices: one may have port \(rig.first), which cannot be opened: \(reason)"])
        #expect(!rig.outbound.servesPort(rig.first))
        #expect(serve(rig.first + 1) == nil)
        await rig.waits(for: rig.first + 1, open: true)
        await other.close()
        #expect(serve(rig.first) == nil)
        await rig.waits(for: rig.first, open: true)
        // What it has is open, and no obstacle to itself.
        #expect(serve(rig.first) == nil && serve(rig.first + 1) == nil)
        #expect(rig.warnings.count == 1)
        rig.ports.stop()
    }

    @Test("lanes of a device that ask for a free port at the same moment are no obstacles to each other")
    func manyLookAtOnce() async throws {
        let rig = try await Rig()
        let plan = Rig.plan(rig.first)
        let obstacles = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask { (0..<200).count { _ in Listener.obstacle(to: plan) != nil } }
            }
            return await group.reduce(0, +)
        }
        #expect(obstacles == 0)
        rig.ports.stop()
    }

    @Test func whatIsServedAlreadyIsOpenedAtTheStartAndNothingBehindTheStop() async throws {
        let rig = try await Rig()
        let device = rig.device("one")
        rig.serve(rig.first, by: device)
        await rig.waits(for: rig.first, open: true)
        // A reload: the old part leaves, a new one takes over what is served.
        let next = rig.next(allowed: [rig.first...rig.first])
        rig.ports.retire()
        try await next.start().get()
        await rig.waits(for: rig.first, open: true)
        rig.serve(rig.first + 1, by: device)
        #expect(await rig.visit(rig.first + 1) == nil)
        next.stop()
        await rig.waits(for: rig.first, open: false)
    }

    /// Visits ports again and again until it is told that that is enough.
    private final class Visits: Sendable {
        private let isEnough = Mutex(false)
        private let counts = Mutex((heard: 0, missed: 0))

        func end() { self.isEnough.withLock { $0 = true } }

        var heard: Int { self.counts.withLock { $0.heard } }
        var missed: Int { self.counts.withLock { $0.missed } }

        func run(_ rig: Rig, _ port: UInt16) async {
            while !self.isEnough.withLock({ $0 }), !Task.isCancelled {
                let isThere = await rig.visit(port) == "\(port)"
                self.counts.withLock { if isThere { $0.heard += 1 } else { $0.missed += 1 } }
            }
        }

        /// Waits until so many more have been.
        func more(_ count: Int) async {
            let goal = self.heard + self.missed + count
            while self.heard + self.missed < goal, !Task.isCancelled { await Task.yield() }
        }
    }

    @Test("a port that both may have is never closed while one takes it over from the other")
    func handsOverWithoutAGap() async throws {
        let rig = try await Rig()
        let device = rig.device("one")
        rig.serve(rig.first, by: device)
        rig.serve(rig.first + 1, by: device)
        for port in [rig.first, rig.first + 1] { await rig.waits(for: port, open: true) }
        let visits = Visits()
        let last = try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<3 { tasks.addTask { await visits.run(rig, rig.first) } }
            var last = rig.ports
            for round in 0..<20 {
                await visits.more(5)
                // What only the old one may have closes.
                let next = rig.next(allowed: [rig.first...rig.first, rig.first + 2...rig.first + 2])
                next.takeOver(from: last)
                if round % 2 == 0 { await visits.more(2) }
                try await next.start().get()
                last.retire()
                last.stop()
                last = next
            }
            await visits.more(5)
            visits.end()
            try await tasks.waitForAll()
            return last
        }
        #expect(visits.missed == 0 && visits.heard > 0)
        await rig.waits(for: rig.first + 1, open: false)
        rig.outbound.table.leave(device)
        await rig.waits(for: rig.first, open: false)
        last.stop()
        #expect(!rig.warnings.contains { $0.contains("cannot be opened") })
    }

    @Test("what is opened or closed at the moment of the exchange has its turn behind it")
    func handsOverWhatIsUnderWay() async throws {
        let rig = try await Rig()
        let device = rig.device("one")
        var last = rig.ports
        for round in 0..<40 {
            // Opened, or closed, at this moment.
            if round % 2 == 0 {
                rig.serve(rig.first, by: device)
            } else {
                rig.outbound.table.withdraw(.service(name: "", port: rig.first), by: device)
            }
            let next = rig.next(allowed: [rig.first...rig.first + 1])
            next.takeOver(from: last)
            try await next.start().get()
            last.retire()
            last = next
            if round % 3 == 0 { await rig.waits(for: rig.first, open: round % 2 == 0) }
        }
        await rig.waits(for: rig.first, open: false)
        rig.serve(rig.first, by: device)
        await rig.waits(for: rig.first, open: true)
        last.stop()
        await rig.waits(for: rig.first, open: false)
        #expect(rig.warnings == [])
    }

    @Test("of several that leave at once, each is followed by its own, and none closes what another will have")
    func handsOverTwo() async throws {
        let rig = try await Rig()
        let device = rig.device("one")
        let (one, two) = (rig.first, rig.first + 1)
        for port in [one, two] { rig.serve(port, by: device) }
        for port in [one, two] { await rig.waits(for: port, open: true) }
        // Each of a pair has one of the ports.
        var pair = [rig.next(allowed: [one...one]), rig.next(allowed: [two...two])]
        for part in pair { part.takeOver(from: rig.ports) }
        for part in pair { try await part.start().get() }
        rig.ports.retire()
        let visits = Visits()
        let last = try await withThrowingTaskGroup(of: Void.self) { tasks in
            for port in [one, two, two] { tasks.addTask { await visits.run(rig, port) } }
            for _ in 0..<40 {
                await visits.more(5)
                let next = [rig.next(allowed: [one...one]), rig.next(allowed: [two...two])]
                for part in next { for other in pair { part.takeOver(from: other) } }
                for part in next { try await part.start().get() }
                for part in pair { part.retire() }
                pair = next
            }
            await visits.more(5)
            visits.end()
            try await tasks.waitForAll()
            return pair
        }
        #expect(visits.missed == 0 && visits.heard > 0)
        for part in last { part.stop() }
        for port in [one, two] { await rig.waits(for: port, open: false) }
    }

    @Test func whatNobodyServesAtTheNewOneIsClosed() async throws {
        let (rig, other) = (try await Rig(), try await Rig())
        rig.serve(rig.first, by: rig.device("one"))
        await rig.waits(for: rig.first, open: true)
        let next = rig.next(allowed: [rig.first...rig.first], of: other.outbound)
        next.takeOver(from: rig.ports)
        try await next.start().get()
        rig.ports.retire()
        await rig.waits(for: rig.first, open: false)
        next.stop()
        other.ports.stop()
    }

    @Test func aReloadKeepsAPortOpenThatAnotherPartHasFromThenOn() async throws {
        let rig = try await Rig()
        let device = rig.device("one")
        rig.serve(rig.first, by: device)
        rig.serve(rig.first + 1, by: device)
        await rig.waits(for: rig.first, open: true)
        await rig.waits(for: rig.first + 1, open: true)
        // A new outbound as well, to which the device has not come yet.
        let plan = PublicNamesOutbound.Plan(duplicates: .reject, judge: NoAuthenticator()) { leg, _, _ in leg.discard()
        }
        let outbound = PublicNamesOutbound(plan, name: "devices", loops: rig.loops, reporter: rig.log.reporter)
        outbound.follow(rig.outbound)
        let next = rig.next(allowed: [rig.first...rig.first], of: outbound) { Rig.plan($0, saying: "next") }
        next.takeOver(from: rig.ports)
        try await next.start().get()
        #expect(await rig.visit(rig.first) == "next")
        rig.ports.retire()
        await rig.waits(for: rig.first + 1, open: false)
        #expect(await rig.visit(rig.first) == "next")
        rig.outbound.table.leave(device)
        await rig.waits(for: rig.first, open: false)
        next.stop()
        #expect(rig.warnings.count == 1 && rig.warnings.first?.contains("which ports: does not name") == true)
    }

    @Test("a port that is given back and asked for again at once needs no second try", arguments: UInt64(0)..<8)
    func comesAndGoes(seed: UInt64) async throws {
        let rig = try await Rig(.replace)
        var random = SeededRandom(seed)
        let devices = (0..<3).map { rig.device("\($0)") }
        for _ in 0..<60 {
            let port = rig.first + .random(in: 0...1, using: &random)
            guard let device = devices.randomElement(using: &random) else { continue }
            switch Int.random(in: 0..<5, using: &random) {
            case 0...2: rig.serve(port, by: device)
            case 3: rig.outbound.table.withdraw(.service(name: "", port: port), by: device)
            default: rig.outbound.table.leave(device)
            }
            if Bool.random(using: &random) { _ = await rig.visit(port) }
        }
        for port in [rig.first, rig.first + 1] { await rig.waits(for: port, open: rig.outbound.table.servesPort(port)) }
        #expect(rig.warnings == [])
        for device in devices { rig.outbound.table.leave(device) }
        for port in [rig.first, rig.first + 1] { await rig.waits(for: port, open: false) }
        rig.ports.stop()
    }
}
