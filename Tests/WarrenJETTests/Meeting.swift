// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// Accepter, relay and connecter joined in memory as their drivers would, with bytes that move in random pieces.
struct Meeting {
    enum Way: CaseIterable {
        case one
        case two
        case webSocket
    }

    /// One end's carrier, and the application behind it.
    struct End {
        let carrier: CarrierID
        var toRelay = ByteBuffer()
        var toClient = ByteBuffer()
        /// What the application has yet to say, and has heard.
        var unsaid: ByteBuffer
        var heard = ByteBuffer()
        /// Whether the machine is gone, and the application on the carrier itself.
        var isRaw = false
    }

    let way: Way
    /// Whether the connecter's first words follow its request at once.
    let isEager: Bool
    var rig = RelayRig()
    var random: SeededRandom
    var accepter: JET.AcceptMachine
    var connecter: JET.ConnectMachine?
    var back: End
    var front: End
    var isParked = false
    var isTargetReached = false
    var isPaused = false
    var pair: RendezvousAction.Pair?
    /// Whether the connecter is at the relay.
    private var hasArrived = false
    private var candidate = UUID.zero

    init(_ way: Way, isEager: Bool, seed: UInt64, fromTarget: Int, fromUser: Int) {
        self.way = way
        self.isEager = isEager
        self.random = SeededRandom(seed)
        self.back = End(carrier: self.rig.newCarrier(), unsaid: self.random.bytes(fromTarget))
        self.front = End(carrier: self.rig.newCarrier(), unsaid: self.random.bytes(fromUser))
        if way != .one { self.candidate = self.rig.gather(.test(0xA0), [way == .two ? .tcp : .ws])[0] }
        self.accepter = JET.AcceptMachine(Self.configuration(way, .test(0xA0), self.candidate))
        self.arrive(.accept, self.back.carrier)
        self.accepter.start(now: self.rig.now)
    }

    static func configuration(_ way: Way, _ association: UUID, _ candidate: UUID) -> JET.ClientConfiguration {
        JET.ClientConfiguration(
            host: "relay.example", version: way == .one ? 1 : 2, association: association, candidate: candidate,
            isBare: way == .webSocket)
    }

    private mutating func arrive(_ kind: JET.Request.Kind, _ carrier: CarrierID) {
        guard self.way == .webSocket else { return self.rig.machine.arrive(carrier, from: nil, now: self.rig.now) }
        let path = RelayUpgradeTests.path(kind.rawValue, self.candidate)
        #expect(self.rig.machine.upgrade(carrier, path: path, from: nil, now: self.rig.now) == nil)
        self.rig.machine.upgraded(carrier)
    }

    mutating func run() {
        var idle = 0
        while idle < 200 {  // every way stands still now and then by chance
            let isBusy = [self.pullAccepter(), self.pullConnecter(), self.pullRelay(), self.talk(), self.carry()]
            idle = isBusy.contains(true) ? 0 : idle + 1
        }
    }

    private mutating func piece(_ bytes: inout ByteBuffer) -> ByteBuffer? {
        guard bytes.readableBytes > 0, Int.random(in: 0..<3, using: &self.random) == 0 else { return nil }
        let most = Bool.random(using: &self.random) ? 30 : 9000
        return bytes.readSlice(length: min(Int.random(in: 1...most, using: &self.random), bytes.readableBytes))
    }
}

// MARK: - Machines

extension Meeting {
    private mutating func pullAccepter() -> Bool {
        let writable = Bool.random(using: &self.random)
        let actions = self.accepter.drain(self.rig.now, writable: writable)
        for action in actions {
            switch action {
            case .write(let bytes): self.back.toRelay.writeImmutableBuffer(bytes)
            case .granted(let grant): self.startConnecter(grant)
            case .open(let stream, _):
                self.accepter.accept(stream)
                self.isTargetReached = true
            case .pause: self.isPaused = true
            case .resume: self.isPaused = false
            case .handOver(_, let leftover):
                self.back.isRaw = true
                self.back.heard.writeImmutableBuffer(leftover)
            case .ready: break
            default: Issue.record("\(action)")
            }
        }
        return !actions.isEmpty
    }

    private mutating func startConnecter(_ grant: Grant) {
        guard case .meeting(let text) = grant.destination, let association = UUID(uuidString: text)
        else {
            Issue.record("\(grant)")
            return
        }
        self.connecter = JET.ConnectMachine(Self.configuration(self.way, association, self.candidate))
    }

    private mutating func pullConnecter() -> Bool {
        guard self.connecter != nil else { return false }
        if self.isParked, !self.hasArrived, Int.random(in: 0..<10, using: &self.random) == 0 {
            self.hasArrived = true
            self.arrive(.connect, self.front.carrier)
            self.connecter?.start(now: self.rig.now)
        }
        let actions = self.connecter?.drain(self.rig.now) ?? []
        for action in actions {
            switch action {
            case .write(let bytes):
                self.front.toRelay.writeImmutableBuffer(bytes)
                guard self.isEager, let first = self.front.unsaid.readSlice(length: 100) else { continue }
                self.front.toRelay.writeImmutableBuffer(first)
            case .ready:
                #expect(throws: Never.self) {
                    try self.connecter?.open(StreamRequest(.meeting("x")), now: self.rig.now)
                }
            case .handOver(_, let leftover):
                self.front.isRaw = true
                self.front.heard.writeImmutableBuffer(leftover)
            default: Issue.record("\(action)")
            }
        }
        return !actions.isEmpty
    }

    private mutating func pullRelay() -> Bool {
        let actions = self.rig.drain()
        for action in actions {
            switch action {
            case .write(let carrier, let bytes) where carrier == self.back.carrier:
                self.back.toClient.writeImmutableBuffer(bytes)
            case .write(_, let bytes): self.front.toClient.writeImmutableBuffer(bytes)
            case .park(let carrier):
                #expect(carrier == self.back.carrier)
                self.isParked = true
            case .pair(let pair):
                #expect(pair.front == self.front.carrier && pair.back == self.back.carrier)
                self.pair = pair
                self.back.toClient.writeImmutableBuffer(pair.fromFront)
                self.front.toClient.writeImmutableBuffer(pair.fromBack)
            case .close: Issue.record("\(action)")
            }
        }
        return !actions.isEmpty
    }
}

// MARK: - Bytes

extension Meeting {
    /// The applications say something.
    private mutating func talk() -> Bool {
        var isBusy = false
        if self.back.isRaw || self.isTargetReached && !self.isPaused && self.accepter.hasRoom(on: StreamID(0)) {
            var unsaid = self.back.unsaid
            if let bytes = self.piece(&unsaid) {
                if self.back.isRaw {
                    self.back.toRelay.writeImmutableBuffer(bytes)
                } else {
                    self.accepter.send(bytes, on: StreamID(0))
                }
                isBusy = true
            }
            self.back.unsaid = unsaid
        }
        if self.front.isRaw {
            var unsaid = self.front.unsaid
            if let bytes = self.piece(&unsaid) {
                self.front.toRelay.writeImmutableBuffer(bytes)
                isBusy = true
            }
            self.front.unsaid = unsaid
        }
        return isBusy
    }

    private mutating func carry() -> Bool {
        var (back, front) = (self.back, self.front)
        var isBusy = false
        // A driver leaves what a parked carrier sends where it is; some of it may be in already.
        let readsParked = Int.random(in: 0..<20, using: &self.random) == 0 && self.rig.machine.waiting > 0
        let held = self.rig.machine.carriers[back.carrier]?.input.readableBytes ?? 0
        if self.pair != nil || !self.isParked || readsParked && held < 40_000, let bytes = self.piece(&back.toRelay) {
            if self.pair == nil {
                self.rig.machine.receive(bytes, from: back.carrier)
            } else {
                front.toClient.writeImmutableBuffer(bytes)
            }
            isBusy = true
        }
        if self.hasArrived, let bytes = self.piece(&front.toRelay) {
            if self.pair == nil {
                self.rig.machine.receive(bytes, from: front.carrier)
            } else {
                back.toClient.writeImmutableBuffer(bytes)
            }
            isBusy = true
        }
        if back.isRaw || self.accepter.wantsBytes, let bytes = self.piece(&back.toClient) {
            if back.isRaw { back.heard.writeImmutableBuffer(bytes) } else { self.accepter.receive(bytes) }
            isBusy = true
        }
        if front.isRaw || self.connecter?.wantsBytes == true, let bytes = self.piece(&front.toClient) {
            if front.isRaw { front.heard.writeImmutableBuffer(bytes) } else { self.connecter?.receive(bytes) }
            isBusy = true
        }
        (self.back, self.front) = (back, front)
        return isBusy
    }
}
