// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenMProxy
import WarrenTesting

extension FuzzTarget {
    static let mproxy = [
        FuzzTarget("mproxy-relay") { judge($0) { MProxySession.plain.relay } },
        FuzzTarget("mproxy-relay-extended") { judge($0) { MProxySession.extended.relay } },
        FuzzTarget("mproxy-device") { judge($0) { MProxySession.plain.device } },
        FuzzTarget("mproxy-device-extended") { judge($0) { MProxySession.extended.device } },
        FuzzTarget("mproxy-device-go") { judge($0) { MProxySession.go } },
    ]

    private static func judge<Machine: SessionMachine>(_ input: [UInt8], _ make: () -> Machine) -> String? {
        let flags = input.first ?? 0
        let manner = FuzzDriver<Machine>.Manner(
            verdict: flags & 4 == 0 ? MProxySession.verdict : .denied, accepts: flags & 1 == 0, echoes: flags & 2 != 0)
        let bytes = Array(input.dropFirst())
        return manner.echoes
            ? FuzzDriver.judge(bytes) { FuzzDriver(running: make(), manner) }
            : FuzzDriver.judgeLoosely(bytes) { FuzzDriver(running: make(), manner) }
    }
}

/// Machines past their hellos, with a visitor of `foo.test` under way.
enum MProxySession {
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    static let verdict = Verdict.accepted(
        name: "device", credential: MProxy.Entitlement(names: ["foo.test"], ports: [7350]).claims.array)
    // Values that nobody changes: each use makes a copy.
    nonisolated(unsafe) static let plain = made(extended: false)
    nonisolated(unsafe) static let extended = made(extended: true)
    nonisolated(unsafe) static let go = {
        var machine = MProxy.DeviceMachine(.init(dialect: .go))
        machine.start(now: Self.now)
        while machine.next(now: Self.now, writable: true) != nil {}
        return machine
    }()

    private static func made(extended: Bool) -> (device: MProxy.DeviceMachine, relay: MProxy.RelayMachine) {
        var both = MachinePair(
            MProxy.DeviceMachine(.init(tokens: ["a.b.c"], usesExtension: extended)),
            MProxy.RelayMachine(.init(sharedName: "shared.test", usesExtension: extended)), seed: 1)
        both.now = Self.now
        both.run { end, action, pair in
            switch action {
            case .authenticate: pair.server.judged(Self.verdict)
            case .open(let stream, _): pair.client.accept(stream)
            default: break
            }
        }
        let source = try? SocketAddress(ipAddress: "127.0.0.1", port: 40000)
        let visit = StreamRequest(.service(name: "foo.test", port: 443), source: source)
        guard let stream = try? both.server.open(visit, now: Self.now) else { return (both.client, both.server) }
        both.server.send(ByteBuffer(string: "GET /"), on: stream)
        both.run { end, action, pair in
            if case .open(let stream, _) = action, end == .client { pair.client.accept(stream) }
        }
        return (both.client, both.server)
    }
}
