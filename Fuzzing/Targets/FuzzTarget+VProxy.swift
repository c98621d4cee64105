// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenTesting
import WarrenVProxy

extension FuzzTarget {
    static let vproxy = [
        FuzzTarget("vproxy-handshake") { input in
            FuzzDriver.judgeLoosely(input) { FuzzDriver(VProxy.ServerMachine()) }
        },
        FuzzTarget("vproxy-server") { judge($0) { VProxySession.plain.server } },
        FuzzTarget("vproxy-server-extended") { judge($0) { VProxySession.extended.server } },
        FuzzTarget("vproxy-client") { judge($0) { VProxySession.asking(VProxySession.plain.client) } },
        FuzzTarget("vproxy-client-extended") { judge($0) { VProxySession.asking(VProxySession.extended.client) } },
        FuzzTarget("vproxy-gzip") { input in
            judge([0] + VProxySession.compressed(input)) { VProxySession.plain.server }
        },
    ]

    private static func judge<Machine: SessionMachine>(_ input: [UInt8], _ make: () -> Machine) -> String? {
        let flags = input.first ?? 0
        let manner = FuzzDriver<Machine>.Manner(accepts: flags & 1 == 0, echoes: flags & 2 != 0)
        let bytes = Array(input.dropFirst())
        // An echo ends a stream at another moment: whether its id is free already depends on the pieces.
        return manner.echoes
            ? FuzzDriver.judge(bytes) { FuzzDriver(running: make(), manner) }
            : FuzzDriver.judgeLoosely(bytes) { FuzzDriver(running: make(), manner) }
    }
}

/// Machines that have shaken hands.
enum VProxySession {
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    // Values that nobody changes: each use makes a copy.
    nonisolated(unsafe) static let plain = made(extended: false)
    nonisolated(unsafe) static let extended = made(extended: true)

    private static func made(extended: Bool) -> (client: VProxy.ClientMachine, server: VProxy.ServerMachine) {
        let settings = VProxy.Configuration(usesExtension: extended)
        var both = MachinePair(VProxy.ClientMachine(settings), VProxy.ServerMachine(settings), seed: 1)
        both.now = Self.now
        both.run { _, _, _ in }
        return (both.client, both.server)
    }

    /// With streams 1, 3 and 5, of which the second has payload on its way.
    static func asking(_ client: VProxy.ClientMachine) -> VProxy.ClientMachine {
        var client = client
        for number in 1...3 {
            guard let stream = try? client.open(StreamRequest(.fixed), now: Self.now), number == 2 else { continue }
            client.send(ByteBuffer(string: "GET /"), on: stream)
        }
        while client.next(now: Self.now, writable: true) != nil {}
        return client
    }

    /// A stream, and a frame with the input as compressed payload.
    static func compressed(_ input: [UInt8]) -> [UInt8] {
        let length = min(input.count, 0xFFFF)
        let head = [0, UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length), 0, 4, 0, 0, 0, 1]
        return [0, 0, 0, 1, 0, 0, 0, 0, 1] + head + input.prefix(length)
    }
}
