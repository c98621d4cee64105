// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenCore
import WarrenJET
import WarrenTesting

extension FuzzTarget {
    static let jet = [
        FuzzTarget("jet-accept") { input in
            FuzzDriver.judge(Array(input.dropFirst())) { JET.AcceptMachine(configuration(input.first ?? 0)) }
        },
        FuzzTarget("jet-connect") { input in
            FuzzDriver.judge(Array(input.dropFirst())) { JET.ConnectMachine(configuration(input.first ?? 0)) }
        },
        FuzzTarget("jet-relay", relay),
    ]

    private static func configuration(_ flags: UInt8) -> JET.ClientConfiguration {
        var configuration = JET.ClientConfiguration(host: "relay.example:8080")
        if flags & 1 != 0 { configuration.decoding = .strict }
        if flags & 2 != 0 { configuration.version = 2 }
        if flags & 4 != 0 { configuration.isBare = true }
        return configuration
    }

    /// Commands: `kind u8 | length u8 | bytes`. Several carriers at once, calls, upgrades, ends and time.
    private static func relay(_ input: [UInt8]) -> String? {
        var random = SeededRandom(1)
        let names = (0..<64).map { _ in UUID(random: &random) }
        let given = LockedCounter()
        let configuration = JET.RelayConfiguration(
            instance: "relay.example:8443", newID: { names[given.next() % names.count] },
            wallClock: { 1_700_000_000 })
        var machine = JET.RelayMachine(configuration)
        machine.listens(at: [JET.Endpoint(scheme: .tcp, host: "0.0.0.0", port: 8080)])
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        var (carriers, steps) = (UInt64(0), 0)
        var rest = input[...]
        while let kind = rest.popFirst() {
            let count = Int(rest.popFirst() ?? 0)
            let bytes = Array(rest.prefix(count))
            rest = rest.dropFirst(count)
            let carrier = CarrierID(carriers == 0 ? 0 : UInt64(kind >> 3) % carriers + 1)
            switch kind & 7 {
            case 0, 1:
                carriers += 1
                machine.arrive(CarrierID(carriers), from: IPAddress(v4: UInt32(kind >> 3)), now: now)
                machine.receive(ByteBuffer(bytes: bytes), from: CarrierID(carriers))
            case 2, 3: machine.receive(ByteBuffer(bytes: bytes), from: carrier)
            case 4: machine.leave(carrier)
            case 5:
                let call = JET.Call(
                    method: "POST", path: String(decoding: bytes, as: UTF8.self), isLocal: kind & 8 != 0)
                _ = machine.call(call, now: now)
            case 6:
                carriers += 1
                let path = String(decoding: bytes, as: UTF8.self)
                if machine.upgrade(CarrierID(carriers), path: path, from: nil, now: now) == nil {
                    machine.upgraded(CarrierID(carriers))
                }
            default: now = now + .seconds(Int64(kind))
            }
            while machine.next(now: now) != nil {
                steps += 1
                if steps > 100_000 { return "it does not stop speaking" }
            }
        }
        for number in 0..<carriers { machine.leave(CarrierID(number + 1)) }
        while machine.next(now: now + .hours(1)) != nil {
            steps += 1
            if steps > 100_000 { return "it does not stop speaking" }
        }
        return machine.deadline == nil ? nil : "an alarm is left when all have gone"
    }
}

/// Counts for whoever must not know its place.
private final class LockedCounter: @unchecked Sendable {
    // Sendable: used by one thread, inside one call.
    private var number = 0

    func next() -> Int {
        defer { self.number += 1 }
        return self.number
    }
}

extension UUID {
    fileprivate init(random: inout SeededRandom) {
        let (a, b) = (random.next(), random.next())
        func byte(_ word: UInt64, _ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: word >> (8 * index)) }
        self.init(
            uuid: (
                byte(a, 0), byte(a, 1), byte(a, 2), byte(a, 3), byte(a, 4), byte(a, 5), byte(a, 6), byte(a, 7),
                byte(b, 0), byte(b, 1), byte(b, 2), byte(b, 3), byte(b, 4), byte(b, 5), byte(b, 6), byte(b, 7)
            ))
    }
}
