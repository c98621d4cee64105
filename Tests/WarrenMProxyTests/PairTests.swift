// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenMProxy

/// A device and a relay, and whatever people may do to them in any order.
@Suite struct PairTests {
    @Test func nothingIsLostMixedUpOrLeftBehind() {
        for seed in ModelRuns.seeds {
            var model = Model(seed: seed)
            if let problem = model.run() {
                Issue.record("seed \(seed): \(problem)")
                return
            }
        }
    }
}

private struct Model {
    typealias Pair = MachinePair<MProxy.DeviceMachine, MProxy.RelayMachine>

    private static let claims: [String: [String]] = [
        "a": ["a.test"], "b": ["a.test", "b.test"], "c": ["c.test"], "d": [], "bad": [],
    ]

    private var random: SeededRandom
    private var pair: Pair
    private let isGo: Bool
    /// Both ends are Warrens that use the extension.
    private let isExtended: Bool
    /// What a stream's reader may be made to hold.
    private static let window = 4 * MProxy.Extension.firstFlight
    private var visits: [PairVisit] = []
    private var served: Set<String> = []
    private var held: Set<String>
    private var problem: String?

    init(seed: UInt64) {
        self.random = SeededRandom(seed)
        self.isGo = Int.random(in: 0..<4, using: &self.random) == 0
        let token = ["a", "b", "c"].randomElement(using: &self.random) ?? "a"
        var limits = SessionLimits(streams: 8)
        limits.unreadPerStream = 1024
        limits.queuedPerStream = 2048
        // A relay uses what the device has announced.
        let announces = Bool.random(using: &self.random)
        let uses = announces && Bool.random(using: &self.random)
        self.isExtended = uses && !self.isGo
        let device = MProxy.DeviceMachine(
            .init(
                tokens: self.isGo ? [] : [token], dialect: self.isGo ? .go : nil, usesExtension: announces,
                limits: limits))
        let relay = MProxy.RelayMachine(
            .init(
                dialect: self.isGo ? .go : .node, token: self.isGo ? token : nil, linger: .seconds(2),
                usesExtension: uses, limits: limits))
        self.held = [token]
        let mostChunk = Bool.random(using: &self.random) ? (self.isExtended ? 400 : 40) : 5000
        self.pair = MachinePair(device, relay, seed: seed, mostChunk: mostChunk)
    }

    mutating func run() -> String? {
        self.settle()
        for _ in 0..<60 where self.problem == nil {
            self.act()
            self.settle()
        }
        self.pair.writable = true
        self.takeEverything()
        self.check()
        if self.isExtended { self.finishEverything() }
        self.pair.client.receiveEnd()
        self.pair.server.receiveEnd()
        self.settle()
        if self.pair.closed != [.client: .finished, .server: .finished] {
            self.complain("closed: \(self.pair.closed)")
        }
        return self.problem
    }

    private mutating func complain(_ text: String) { self.problem = self.problem ?? text }

    // MARK: Acts

    private mutating func act() {
        switch Int.random(in: 0..<14, using: &self.random) {
        case 0: self.changeTokens()
        case 1, 2: self.visit()
        case 3, 4, 5: self.send(fromRelay: true)
        case 6, 7, 8: self.send(fromRelay: false)
        case 9: self.leave()
        case 10: self.pair.writable.toggle()
        case 11 where self.pair.writable:  // else a command might go unanswered
            self.pair.now = self.pair.now + .seconds(Int64.random(in: 0...3, using: &self.random))
        default: self.take()
        }
    }

    private mutating func changeTokens() {
        guard !self.isGo, let token = Self.claims.keys.sorted().randomElement(using: &self.random) else { return }
        if Bool.random(using: &self.random) {
            self.pair.client.addToken(token)
            if token != "bad" { self.held.insert(token) }
        } else if token != "bad", self.held.contains(token), self.held.count > 1 {
            self.pair.client.deleteToken(token)
            self.held.remove(token)
        }
    }

    private mutating func visit() {
        let number = self.visits.count
        // Few ports, so that visitors share addresses.
        let source = socket("192.0.2.1", Int.random(in: 1...3, using: &self.random))
        let request = StreamRequest(service("a.test", UInt16(number + 1)), source: source)
        guard let id = try? self.pair.server.open(request, now: self.pair.now) else { return }
        self.visits.append(PairVisit(relayID: id))
    }

    private mutating func send(fromRelay: Bool) {
        guard let number = self.visits.indices.randomElement(using: &self.random),
            !self.visits[number].finished.contains(fromRelay),
            let id = fromRelay ? self.visits[number].relayID : self.visits[number].deviceID
        else { return }
        let fillsWindows = self.isExtended && Int.random(in: 0..<4, using: &self.random) == 0
        let count = Int.random(in: 1...(fillsWindows ? 20_000 : 1000), using: &self.random)
        let start = self.visits[number].sent[fromRelay] ?? 0
        let bytes = ByteBuffer(bytes: (start..<start + count).map { PairVisit.byte($0, of: number, fromRelay) })
        self.visits[number].sent[fromRelay] = start + count
        if fromRelay { self.pair.server.send(bytes, on: id) } else { self.pair.client.send(bytes, on: id) }
    }

    private mutating func leave() {
        guard let number = self.visits.indices.randomElement(using: &self.random) else { return }
        let faults: [StreamFault?] = [nil, .aborted, .idle, .refused]
        let fault = faults.randomElement(using: &self.random) ?? nil
        switch Int.random(in: 0..<4, using: &self.random) {
        case 0:
            guard let id = self.visits[number].relayID else { return }
            self.visits[number].isOver = fault == nil
            self.visits[number].isCut = true
            self.visits[number].relayID = nil
            self.pair.server.reset(id, fault)
        case 1:
            guard let id = self.visits[number].deviceID else { return }
            self.visits[number].isCut = true
            self.visits[number].deviceID = nil
            self.pair.client.reset(id, fault)
        case 2:
            guard let id = self.visits[number].relayID else { return }
            self.visits[number].finished.insert(true)
            self.pair.server.finish(id)
        default:
            guard let id = self.visits[number].deviceID else { return }
            self.visits[number].finished.insert(false)
            self.pair.client.finish(id)
        }
    }

    private mutating func take() {
        if let number = self.visits.indices.randomElement(using: &self.random) { self.take(number) }
    }

    private mutating func take(_ number: Int) {
        for fromRelay in [true, false] {
            guard let id = fromRelay ? self.visits[number].deviceID : self.visits[number].relayID else { continue }
            let count = self.visits[number].unread[fromRelay] ?? 0
            self.visits[number].unread[fromRelay] = 0
            if fromRelay { self.pair.client.consumed(count, on: id) } else { self.pair.server.consumed(count, on: id) }
        }
    }

    private mutating func takeEverything() {
        for _ in 0..<50 {
            for number in self.visits.indices { self.take(number) }
            self.settle()
            guard self.visits.contains(where: \.hasUnread) else { return }
        }
    }

    /// Half-close, at either end first: every stream that nobody has left ends in order, with every byte.
    private mutating func finishEverything() {
        for number in self.visits.indices {
            for fromRelay in [true, false].shuffled(using: &self.random) {
                guard !self.visits[number].finished.contains(fromRelay),
                    let id = fromRelay ? self.visits[number].relayID : self.visits[number].deviceID
                else { continue }
                self.visits[number].finished.insert(fromRelay)
                if fromRelay { self.pair.server.finish(id) } else { self.pair.client.finish(id) }
                self.takeEverything()
            }
        }
        for (number, visit) in self.visits.enumerated() {
            if let fault = visit.faultWhenFinished { self.complain("visit \(number): \(fault)") }
        }
    }

    // MARK: Steps

    private mutating func settle() {
        var model = self
        self.pair.run { end, action, pair in model.perform(end, action, &pair) }
        let pair = self.pair
        self = model
        self.pair = pair
    }

    private mutating func perform(_ end: Pair.End, _ action: SessionAction, _ pair: inout Pair) {
        let atDevice = end == .client
        switch action {
        case .authenticate(let claim):
            let token = String(decoding: claim.proof, as: UTF8.self)
            pair.server.judged(token == "bad" ? .denied : accepted(Self.claims[token] ?? []))
        case .serve(.service(let name, _)):
            if !self.served.insert(name).inserted { self.complain("\(name) is served twice") }
        case .withdraw(.service(let name, _)):
            if self.served.remove(name) == nil { self.complain("\(name) is withdrawn twice") }
        case .open(let id, let request):
            guard case .service(_, let port) = request.destination, self.visits.indices.contains(Int(port) - 1)
            else { return self.complain("opens \(request.destination)") }
            if self.visits[Int(port) - 1].deviceID != nil || (self.visits[Int(port) - 1].got[true] ?? 0) > 0 {
                self.complain("opens visit \(port) twice")
            }
            self.visits[Int(port) - 1].deviceID = id
            pair.client.accept(id)
        case .deliver(let id, let bytes): self.delivered(bytes, id, atDevice: atDevice)
        case .end(let id, let fault): self.ended(id, fault, atDevice: atDevice)
        case .finish(let id): self.peerFinished(id, atDevice: atDevice)
        case .ready, .granted, .opened, .pause, .resume: break
        case .serve, .withdraw, .write, .isolateWrites, .handOver, .close: self.complain("says \(action)")
        }
    }

    private func number(_ id: StreamID, atDevice: Bool) -> Int? {
        self.visits.firstIndex { (atDevice ? $0.deviceID : $0.relayID) == id }
    }

    private mutating func delivered(_ bytes: ByteBuffer, _ id: StreamID, atDevice: Bool) {
        guard let number = self.number(id, atDevice: atDevice) else { return self.complain("delivers to nobody") }
        var place = self.visits[number].got[atDevice] ?? 0
        for byte in bytes.readableBytesView {
            if byte != PairVisit.byte(place, of: number, atDevice) {
                return self.complain("visit \(number): wrong byte at \(place)")
            }
            place += 1
        }
        self.visits[number].got[atDevice] = place
        self.visits[number].unread[atDevice, default: 0] += bytes.readableBytes
        if place > self.visits[number].sent[atDevice] ?? 0 { self.complain("visit \(number): more than was sent") }
        if self.isExtended, self.visits[number].unread[atDevice] ?? 0 > Self.window {
            self.complain("visit \(number): more than the window")
        }
    }

    private mutating func peerFinished(_ id: StreamID, atDevice: Bool) {
        guard self.isExtended, let number = self.number(id, atDevice: atDevice)
        else { return self.complain("says that nobody finished") }
        if !self.visits[number].finished.contains(atDevice)
            || self.visits[number].got[atDevice] != self.visits[number].sent[atDevice]
        {
            self.complain("visit \(number): a finish ahead of its bytes")
        }
        if !self.visits[number].heardFinish.insert(atDevice).inserted {
            self.complain("visit \(number): finishes twice")
        }
    }

    private mutating func ended(_ id: StreamID, _ fault: StreamFault?, atDevice: Bool) {
        guard let number = self.number(id, atDevice: atDevice) else { return self.complain("ends what is none") }
        if atDevice {
            self.visits[number].deviceID = nil
            if self.visits[number].isOver, fault == nil, self.visits[number].got[true] != self.visits[number].sent[true]
            {
                self.complain("visit \(number): an orderly end cut off bytes")
            }
        } else {
            self.visits[number].relayID = nil
        }
    }

    // MARK: What must hold at rest

    private mutating func check() {
        let wanted = Set(self.held.flatMap { Self.claims[$0] ?? [] })
        if self.served != wanted { self.complain("serves \(self.served), not \(wanted)") }
        for (number, visit) in self.visits.enumerated() {
            // Go has no word for a visitor that has said nothing.
            let isUnknown = self.isGo && visit.sent[true] == 0
            if (visit.relayID == nil) != (visit.deviceID == nil), !isUnknown {
                self.complain("visit \(number) is over at one end only")
            }
            guard visit.relayID != nil else { continue }
            if visit.got != visit.sent { self.complain("visit \(number): \(visit.got) of \(visit.sent)") }
        }
    }
}
