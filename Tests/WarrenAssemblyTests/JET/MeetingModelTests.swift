// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import NIOCore
import Synchronization
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenJET
@testable import WarrenRuntime

/// Random events at a meeting place of a whole relay, and what must hold whatever they are.
@Suite struct MeetingModelTests {
    @Test("everybody is answered once and joined once, bytes keep their order, and nothing is left")
    func model() throws {
        for seed in 0..<ModelRuns.count {
            let model = MeetingModel(seed: UInt64(seed))
            for step in 0..<40 { try model.step(checks: step % 8 == 0) }
            try model.end()
        }
    }
}

private final class MeetingModel {
    private enum Kind { case accept, connect, test, odd, bare }

    private struct Guest {
        let leg: ModelLeg
        let kind: Kind
        /// Nothing comes between it and the content of its partner.
        var isAsked = false
    }

    private let seed: UInt64
    private var random: SeededRandom
    private let loops = Loops.manual()
    private let place: RendezvousService<JET.RelayMachine>
    private var guests: [Guest] = []
    /// Carriers whose upgrade was granted and is not out.
    private var expected: [CarrierID] = []
    private var candidates: [(UUID, UUID)] = []
    private var loop: SocketLoop { self.place.loop }

    private static let associations = (1...3).compactMap {
        UUID(uuidString: "00000000-0000-4000-8000-00000000000\($0)")
    }

    init(seed: UInt64) {
        self.seed = seed
        self.random = SeededRandom(seed)
        let ids = Mutex(SeededRandom(seed ^ 0xA5A5))
        var relay = JET.RelayConfiguration(
            instance: "relay.test", timeout: .seconds(30), handshake: .seconds(5), maxPending: 8,
            maxPendingPerAddress: 4,
            newID: {
                let (one, two) = ids.withLock { ($0.next(), $0.next()) }
                let text = String(
                    format: "%08x-%04x-4%03x-8%03x-%012x", UInt32(truncatingIfNeeded: one), Int(one >> 48),
                    Int(one >> 36 & 0xFFF), Int(two >> 52), Int(two & 0xFFFF_FFFF_FFFF))
                return UUID(uuidString: text) ?? .zero
            })
        relay.wallClock = { 0 }
        var machine = JET.RelayMachine(relay)
        machine.listens(at: [
            JET.Endpoint(scheme: .tcp, host: "", port: 1), JET.Endpoint(scheme: .ws, host: "", port: 2),
        ])
        let reporter = Reporter(logger: Logger(label: "model") { _ in SwiftLogNoOpLogHandler() })
        self.place = RendezvousService(machine, name: "meet", protocol: "jet", loops: self.loops, reporter: reporter)
    }
}

// MARK: - Events

extension MeetingModel {
    func step(checks: Bool) throws {
        switch Int.random(in: 0..<24, using: &self.random) {
        case 0...3: self.ask(.accept)
        case 4...6: try self.askForOne()
        case 7: self.ask(.test)
        case 8: self.come(.odd).send(self.random.bytes(.random(in: 0...40, using: &self.random)))
        case 9, 10: self.call()
        case 11: self.askUpgrade()
        case 12: self.upgrade()
        case 13...16: self.anybody?.sendContent(.random(in: 1...300, using: &self.random))
        case 17: self.anybody?.sendEnd()
        case 18: self.anybody?.reset()
        case 19: if Int.random(in: 0..<40, using: &self.random) == 0 { self.place.retire() }
        default: self.loop.advance(by: .milliseconds(.random(in: 0...6000, using: &self.random)))
        }
        if Bool.random(using: &self.random) { self.loop.runOnce() }
        if checks { try self.check() }
    }

    private var anybody: ModelLeg? { self.guests.randomElement(using: &self.random)?.leg }

    private func leg(_ kind: Kind) -> ModelLeg {
        let address = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1"].randomElement(using: &self.random)
        let peer = address.flatMap { try? SocketAddress(ipAddress: $0, port: 9) }
        let leg = ModelLeg(self.guests.count, on: self.loop, peer: peer)
        self.guests.append(Guest(leg: leg, kind: kind))
        return leg
    }

    private func come(_ kind: Kind) -> ModelLeg {
        let leg = self.leg(kind)
        self.place.arrive(leg)
        return leg
    }

    private func ask(_ kind: JET.Request.Kind, _ association: UUID = .zero, _ candidate: UUID? = nil) {
        let kinds: [JET.Request.Kind: Kind] = [.accept: .accept, .connect: .connect, .test: .test]
        let leg = self.come(kinds[kind] ?? .odd)
        let version = candidate == nil && kind != .test ? JET.Version.one : JET.Version.two
        let request = JET.Request(
            kind, version: version, association: association, candidate: candidate ?? .zero, host: "a")
        var bytes = ByteBuffer()
        guard (try? bytes.writeJETPacket(JET.Packet(mask: 0x73, payload: request.text))) != nil else { return }
        for piece in Chunks.random(bytes, most: 40, using: &self.random) {
            leg.send(piece)
            if Int.random(in: 0..<3, using: &self.random) == 0 { self.loop.runOnce() }
        }
        // Not later than the time for it: the clock may move next.
        self.loop.runOnce()
        self.guests[leg.number].isAsked = !leg.isSilent
        if Int.random(in: 0..<3, using: &self.random) == 0 { leg.sendContent(.random(in: 1...50, using: &self.random)) }
    }

    /// Asks for somebody who waits, or has waited.
    private func askForOne() throws {
        let names = try self.guests.compactMap { guest -> UUID? in
            guard guest.kind == .accept else { return nil }
            return try self.reply(of: guest)?.reply.association
        }
        let isCalled = Bool.random(using: &self.random)
        if isCalled, let (association, candidate) = self.candidates.randomElement(using: &self.random) {
            self.ask(Bool.random(using: &self.random) ? .accept : .connect, association, candidate)
        } else {
            self.ask(.connect, names.randomElement(using: &self.random) ?? Self.associations[0])
        }
    }

    private func call() {
        guard let association = Self.associations.randomElement(using: &self.random) else { return }
        let path = "/jet/association/\(association.uuidString)/candidates"
        let answer = self.place.tell { machine, now in machine.call(JET.Call(method: "POST", path: path), now: now) }
        let found = try? JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any]
        for candidate in found?["candidates"] as? [[String: String]] ?? [] {
            guard let id = candidate["id"].flatMap({ UUID(uuidString: $0) }) else { continue }
            self.candidates.append((association, id))
        }
    }

    private func askUpgrade() {
        guard let (association, candidate) = self.candidates.randomElement(using: &self.random) else { return }
        let kind = ["accept", "connect", "connect", "test"].randomElement(using: &self.random) ?? "test"
        let path = "/jet/\(kind)/\(association.uuidString)/\(candidate.uuidString)"
        let id = self.place.expect()
        let refusal = self.place.tell { machine, now in machine.upgrade(id, path: path, from: nil, now: now) }
        if refusal == nil { self.expected.append(id) }
    }

    private func upgrade() {
        guard !self.expected.isEmpty else { return }
        let id = self.expected.remove(at: .random(in: self.expected.indices, using: &self.random))
        if Int.random(in: 0..<4, using: &self.random) == 0 {
            self.place.tell { machine, _ in machine.leave(id) }
        } else {
            let leg = self.leg(.bare)
            self.place.arrive(leg, as: id) { $0.upgraded(id) }
        }
    }
}

// MARK: - What must hold

extension MeetingModel {
    /// The relay's answer and what came behind it; nil if there is none yet.
    private func reply(of guest: Guest) throws -> (reply: JET.Reply, rest: ByteBuffer)? {
        let kinds: [Kind: JET.Request.Kind] = [.accept: .accept, .connect: .connect, .test: .test]
        guard let kind = kinds[guest.kind] else { return nil }
        var given = guest.leg.given
        guard let packet = try given.readJETPacket() else { return nil }
        return (try JET.Reply(packet, to: kind, .lenient), given)
    }

    /// What a guest has had of a partner.
    private func content(for guest: Guest) throws -> ByteBuffer {
        switch guest.kind {
        case .bare: return guest.leg.given
        case .accept, .connect, .test, .odd: return try self.reply(of: guest)?.rest ?? ByteBuffer()
        }
    }

    private func check() throws {
        var partners: [Int: Int] = [:]
        for guest in self.guests {
            let content = try self.content(for: guest)
            #expect(guest.leg.ends.count <= 1)
            if guest.kind == .odd { #expect(guest.leg.given.readableBytes == 0) }
            guard content.readableBytes > 0 else { continue }
            let speakers = self.guests.filter { other in
                let sent = other.leg.sent
                return other.leg.number != guest.leg.number
                    && sent.getSlice(at: sent.readerIndex, length: content.readableBytes) == content
            }
            // All it hears is from one of the others, from its first byte on, and in order.
            try #require(!speakers.isEmpty, "seed \(self.seed), guest \(guest.leg.number)")
            if content.readableBytes >= 8, let speaker = speakers.first {
                partners[guest.leg.number] = speaker.leg.number
            }
        }
        for (one, other) in partners {
            if let back = partners[other] { #expect(back == one, "seed \(self.seed)") }
        }
        #expect(Set(partners.values).count == partners.count, "seed \(self.seed): somebody is heard by two")
    }

    func end() throws {
        self.loop.runOnce()
        for guest in self.guests where guest.isAsked && !guest.leg.isOver {
            #expect(try self.reply(of: guest) != nil, "seed \(self.seed): \(guest.leg.number) has no answer")
        }
        for id in self.expected { self.place.tell { machine, _ in machine.leave(id) } }
        let isStopped = Bool.random(using: &self.random)
        if isStopped { self.place.stop() }
        self.loop.runOnce()
        // Everybody who waits is let go by the time; those who have met are evicted.
        for _ in 0..<5 { self.loop.advance(by: .seconds(15)) }
        self.loops.registry(on: self.loop).evict()
        for _ in 0..<5 { self.loop.advance(by: .seconds(15)) }
        try self.check()
        for guest in self.guests {
            #expect(guest.leg.ends.count == 1, "seed \(self.seed): \(guest.leg.number) is not over")
            #expect(guest.leg.events == nil || !(guest.leg.events is Visitor<JET.RelayMachine>))
        }
        #expect(self.place.isEmpty, "seed \(self.seed)")
        #expect(self.loops.registry(on: self.loop).bridgeCount == 0)
        #expect(self.loop.timers.count == 0, "seed \(self.seed)")
        if !isStopped { #expect(self.place.tell { machine, _ in machine.isEmpty }, "seed \(self.seed)") }
    }
}
