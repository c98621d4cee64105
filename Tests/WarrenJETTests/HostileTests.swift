// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// Peers and drivers that do anything at any moment: no trap, nothing left behind, no word about who is gone.
@Suite("JET hostile peers")
struct HostileTests {
    /// What a driver knows of its carriers.
    struct Crowd {
        var known: [CarrierID] = []
        var partners: [CarrierID: CarrierID] = [:]
        var parked: Set<CarrierID> = []
        /// Names of version 1 that were given away.
        var issued: [UUID] = []
        var pairs = 0
        var closes: [String: Int] = [:]

        mutating func forget(_ carrier: CarrierID) {
            self.known.removeAll { $0 == carrier }
            self.parked.remove(carrier)
            self.partners[carrier] = nil
        }

        /// Takes an action and checks that it may be said now.
        mutating func hear(_ action: RendezvousAction) {
            switch action {
            case .write(let carrier, let bytes):
                #expect(self.isFree(carrier) && bytes.readableBytes <= 1024)
                let payload = [action].packets.first?.payload ?? ""
                #expect(payload.hasPrefix("HTTP/1.1 "))
                guard payload.hasPrefix("HTTP/1.1 200"), let name = payload.split(separator: "Jet-Association: ").last,
                    let id = UUID(uuidString: String(name.prefix(36)))
                else { return }
                self.issued.append(id)
            case .park(let carrier):
                #expect(self.isFree(carrier) && self.parked.insert(carrier).inserted)
            case .pair(let pair):
                #expect(self.isFree(pair.front) && self.isFree(pair.back) && pair.front != pair.back)
                #expect(self.parked.remove(pair.back) != nil && !self.parked.contains(pair.front))
                (self.partners[pair.front], self.partners[pair.back]) = (pair.back, pair.front)
                self.pairs += 1
            case .close(let carrier, let reason):
                #expect(self.isFree(carrier))
                self.closes[String("\(reason)".prefix(12)), default: 0] += 1
                self.forget(carrier)
            }
        }

        private func isFree(_ carrier: CarrierID) -> Bool {
            self.known.contains(carrier) && self.partners[carrier] == nil
        }
    }

    static let associations = (0..<4).map { UUID.test(0xF000 + $0) }

    /// A request that may make sense, now and then spoiled.
    static func request(_ rig: RelayRig, _ crowd: Crowd, _ random: inout SeededRandom) throws -> ByteBuffer {
        let one = crowd.issued.suffix(4).randomElement(using: &random) ?? .zero
        let two = Self.associations.randomElement(using: &random) ?? .zero
        let candidate = rig.machine.associations[two]?.candidates.prefix(3).randomElement(using: &random)?.id ?? .zero
        let requests: [JET.Request] = [
            .accept, .accept, .connect(one), .connect(one), .connect(one), .accept(two, candidate),
            .connect(two, candidate), .connect(two, candidate), .test(), .connect(two), .connect(one, candidate),
            .accept(one, candidate), .accept(two, candidate, version: .random(in: 0...4, using: &random)),
        ]
        let request = requests.randomElement(using: &random) ?? .accept
        var bytes = try ByteBuffer(jet: request, mask: .random(in: 0...255, using: &random))
        if Int.random(in: 0..<3, using: &random) == 0 {
            bytes.writeImmutableBuffer(random.bytes(Int.random(in: 0...400, using: &random)))
        }
        if Int.random(in: 0..<8, using: &random) == 0 {
            bytes.setInteger(UInt8.random(in: 0...255, using: &random), at: .random(in: 0..<60, using: &random))
        }
        return bytes
    }

    static func path(_ rig: RelayRig, _ random: inout SeededRandom) -> String {
        let two = Self.associations.randomElement(using: &random) ?? .zero
        let candidate = rig.machine.associations[two]?.candidates.prefix(3).randomElement(using: &random)?.id ?? .zero
        let kind = ["accept", "connect", "connect", "test", "ACCEPT", "none"].randomElement(using: &random) ?? ""
        let path = RelayUpgradeTests.path(kind, candidate, two)
        return Int.random(in: 0..<8, using: &random) == 0 ? String(path.dropLast(5)) : path
    }

    @Test(arguments: 0..<3 as Range<UInt64>) func anythingAtAnyMoment(seed: UInt64) throws {
        var random = SeededRandom(seed)
        var rig = RelayRig {
            $0.maxPending = 40
            $0.maxPendingPerAddress = 15
        }
        rig.machine.listens(
            at: [.tcp, .ws].map { JET.Endpoint(scheme: $0, host: "0.0.0.0", port: 8080) })
        var crowd = Crowd()
        for _ in 0..<10_000 {
            try Self.step(&rig, &crowd, &random)
            // Not always to the end: what is left is said after whatever comes next.
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                guard let action = rig.machine.next(now: rig.now) else { break }
                crowd.hear(action)
            }
            #expect(rig.machine.waiting + rig.machine.called <= 40)
        }
        for action in rig.drain() { crowd.hear(action) }
        #expect(crowd.pairs > 100 && crowd.closes.count >= 5, "\(crowd.pairs) pairs, \(crowd.closes)")
        for carrier in crowd.known { Self.leave(carrier, &rig, &crowd) }
        for action in rig.drain() { crowd.hear(action) }
        #expect(crowd.known.isEmpty && rig.machine.carriers.isEmpty && rig.machine.waitingFrom.isEmpty)
        for action in rig.advance(.seconds(300)) { crowd.hear(action) }
        #expect(rig.machine.isEmpty && rig.machine.deadline == nil)
    }

    private static func step(_ rig: inout RelayRig, _ crowd: inout Crowd, _ random: inout SeededRandom) throws {
        let carrier = crowd.known.randomElement(using: &random) ?? CarrierID(0)
        switch Int.random(in: 0..<40, using: &random) {
        case 0..<12:
            let newcomer = rig.arrive(from: IPAddress(v4: .random(in: 0...4, using: &random)))
            crowd.known.append(newcomer)
            for chunk in Chunks.random(try Self.request(rig, crowd, &random), using: &random) {
                rig.machine.receive(chunk, from: newcomer)
                if Bool.random(using: &random), let action = rig.machine.next(now: rig.now) { crowd.hear(action) }
            }
        case 12..<14: crowd.known.append(rig.arrive())
        case 14..<18: rig.machine.receive(try Self.request(rig, crowd, &random), from: carrier)
        case 18..<20: rig.machine.receive(random.bytes(Int.random(in: 0...9000, using: &random)), from: carrier)
        case 20..<23: Self.leave(carrier, &rig, &crowd)
        case 23..<33:
            let newcomer = rig.newCarrier()
            if rig.machine.upgrade(newcomer, path: Self.path(rig, &random), from: nil, now: rig.now) == nil {
                crowd.known.append(newcomer)
                if Bool.random(using: &random) { rig.machine.upgraded(newcomer) }
            }
        case 33..<35: rig.machine.upgraded(carrier)
        case 35..<38:
            let association = Self.associations.randomElement(using: &random) ?? .zero
            #expect([200, 400, 503].contains(rig.call("POST", "/jet/gather/\(association.jetText)").status))
        case 38: rig.now = rig.now + .milliseconds(.random(in: 0...3000, using: &random))
        default: if Int.random(in: 0..<20, using: &random) == 0 { rig.now = rig.now + .seconds(200) }
        }
    }

    /// After this, nothing may be said of a pair any more; of others one more close.
    private static func leave(_ carrier: CarrierID, _ rig: inout RelayRig, _ crowd: inout Crowd) {
        rig.machine.leave(carrier)
        guard let partner = crowd.partners[carrier] else { return }
        crowd.forget(carrier)
        crowd.forget(partner)
    }

    @Test func spoiledReplies() throws {
        var random = SeededRandom(7)
        let now = ConnectTests.start
        var ends = 0
        for _ in 0..<800 {
            var bytes = try ConnectTests.reply(AcceptTests.yes, behind: "hello").array
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            var (accepter, connecter) = (AcceptTests.machine(), ConnectTests.machine())
            for chunk in Chunks.random(ByteBuffer(bytes: bytes), most: 200, using: &random) {
                accepter.receive(chunk)
                connecter.receive(chunk)
                let actions = accepter.drain(now) + connecter.drain(now)
                accepter.accept(StreamID(0))
                ends += actions.filter { if case .close = $0 { true } else { false } }.count
            }
            accepter.receiveEnd()
            connecter.receiveEnd()
            _ = accepter.drain(now)
            _ = connecter.drain(now)
            #expect(accepter.drain(now + .hours(1)) == [])
        }
        #expect(ends > 400)
    }
}
