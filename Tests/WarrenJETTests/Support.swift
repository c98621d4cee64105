// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Synchronization
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// Drives a relay as its driver would: one command, then all steps.
struct RelayRig {
    var machine: JET.RelayMachine
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private var carriers: UInt64 = 0

    init(_ change: (inout JET.RelayConfiguration) -> Void = { _ in }) {
        let counter = Counter()
        var configuration = JET.RelayConfiguration(
            instance: "relay.example:8443", newID: { counter.next() }, wallClock: { 1_700_000_000 })
        change(&configuration)
        self.machine = JET.RelayMachine(configuration)
    }

    mutating func drain() -> [RendezvousAction] {
        var actions: [RendezvousAction] = []
        while let action = self.machine.next(now: self.now) { actions.append(action) }
        return actions
    }

    mutating func newCarrier() -> CarrierID {
        self.carriers += 1
        return CarrierID(self.carriers)
    }

    mutating func arrive(from address: IPAddress? = nil) -> CarrierID {
        let carrier = self.newCarrier()
        self.machine.arrive(carrier, from: address, now: self.now)
        return carrier
    }

    mutating func receive(_ bytes: ByteBuffer, on carrier: CarrierID) -> [RendezvousAction] {
        self.machine.receive(bytes, from: carrier)
        return self.drain()
    }

    mutating func leave(_ carrier: CarrierID) -> [RendezvousAction] {
        self.machine.leave(carrier)
        return self.drain()
    }

    mutating func advance(_ time: TimeAmount) -> [RendezvousAction] {
        self.now = self.now + time
        return self.drain()
    }

    /// A new carrier with this request, and what came of it.
    mutating func ask(
        _ request: JET.Request, from address: IPAddress? = nil, behind: String = ""
    ) throws -> (carrier: CarrierID, actions: [RendezvousAction]) {
        let carrier = self.arrive(from: address)
        var bytes = try ByteBuffer(jet: request)
        bytes.writeString(behind)
        return (carrier, self.receive(bytes, on: carrier))
    }

    /// An accepter of version 1 that waits.
    mutating func accept(
        from address: IPAddress? = nil, behind: String = ""
    ) throws -> (carrier: CarrierID, association: UUID) {
        let before = Set(self.machine.associations.keys)
        let (carrier, actions) = try self.ask(.accept, from: address, behind: behind)
        try #require(actions.last == .park(carrier))
        return (carrier, try #require(self.machine.associations.keys.first { !before.contains($0) }))
    }

    /// An association of version 2 with a candidate per endpoint.
    mutating func gather(_ association: UUID = .test(0xA0), _ schemes: [JET.Endpoint.Scheme] = [.tcp]) -> [UUID] {
        self.machine.listens(at: schemes.map { JET.Endpoint(scheme: $0, host: "0.0.0.0", port: 8080) })
        let path = "/jet/association/\(association.jetText)/candidates"
        #expect(self.machine.call(JET.Call(method: "POST", path: path), now: self.now).status == 200)
        return self.machine.associations[association]?.candidates.suffix(schemes.count).map(\.id) ?? []
    }

    mutating func acceptCalled(_ association: UUID, _ candidate: UUID) throws -> CarrierID {
        let (carrier, actions) = try self.ask(.accept(association, candidate))
        try #require(actions.statuses == [200])
        return carrier
    }

    mutating func call(
        _ method: String, _ path: String, authorization: String? = nil, isLocal: Bool = true
    ) -> JET.Answer {
        let call = JET.Call(method: method, path: path, authorization: authorization, isLocal: isLocal)
        return self.machine.call(call, now: self.now)
    }

    /// Ends everything and lets all time pass.
    mutating func finish() {
        for carrier in self.machine.carriers.keys { self.machine.leave(carrier) }
        _ = self.drain()
        _ = self.advance(.hours(1))
    }
}

/// Names that tests can foretell.
private final class Counter: Sendable {
    private let count = Mutex<UInt16>(0)

    func next() -> UUID {
        let number = self.count.withLock { count in
            count += 1
            return count
        }
        return .test(number)
    }
}

extension UUID {
    static func test(_ number: UInt16) -> UUID {
        let (high, low) = (UInt8(number >> 8), UInt8(number & 0xFF))
        return UUID(uuid: (0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, high, low))
    }
}

extension JET.Request {
    static let accept = JET.Request(.accept, version: 1, host: "relay.example")
    static func connect(_ association: UUID, version: UInt32 = 1) -> JET.Request {
        JET.Request(.connect, version: version, association: association, host: "relay.example")
    }
    static func accept(_ association: UUID, _ candidate: UUID, version: UInt32 = 2) -> JET.Request {
        JET.Request(
            .accept, version: version, association: association, candidate: candidate, host: "relay.example")
    }
    static func connect(_ association: UUID, _ candidate: UUID, version: UInt32 = 2) -> JET.Request {
        JET.Request(
            .connect, version: version, association: association, candidate: candidate, host: "relay.example")
    }
    static func test(version: UInt32 = 2) -> JET.Request {
        JET.Request(.test, version: version, association: .test(1), candidate: .test(2), host: "relay.example")
    }
}

extension ByteBuffer {
    init(jet request: JET.Request, flags: UInt8 = 0, mask: UInt8 = 0x73) throws {
        try self.init(jet: request.text, flags: flags, mask: mask)
    }

    init(jet text: String, flags: UInt8 = 0, mask: UInt8 = 0x73) throws {
        self.init()
        try self.writeJETPacket(JET.Packet(flags: flags, mask: mask, payload: text))
    }
}

extension [RendezvousAction] {
    /// The packets that were written.
    var packets: [JET.Packet] {
        self.compactMap { action in
            guard case .write(_, var bytes) = action, let packet = try? bytes.readJETPacket() else { return nil }
            return bytes.readableBytes == 0 ? packet : nil
        }
    }

    /// The status codes that were written.
    var statuses: [Int] { self.packets.compactMap { Int($0.payload.dropFirst("HTTP/1.1 ".count).prefix(3)) } }

    var pair: RendezvousAction.Pair? {
        for case .pair(let pair) in self { return pair }
        return nil
    }

    func reason(of carrier: CarrierID) -> CloseReason? {
        for case .close(carrier, let reason) in self { return reason }
        return nil
    }
}

/// A client's machine, one command and all steps.
extension SessionMachine {
    mutating func drain(_ now: NIODeadline, writable: Bool = true) -> [SessionAction] {
        var actions: [SessionAction] = []
        while let action = self.next(now: now, writable: writable) { actions.append(action) }
        return actions
    }
}
