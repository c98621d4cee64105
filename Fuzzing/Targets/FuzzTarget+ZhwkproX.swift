// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenTesting
import WarrenZhwkproX

extension FuzzTarget {
    static let zhwkprox = [
        FuzzTarget("zhwkprox-exit-login") { input in
            FuzzDriver.judge(input) { ZhwkproX.ExitMachine(.init(), random: SeededRandom(1)) }
        },
        FuzzTarget("zhwkprox-inter-login") { input in
            FuzzDriver.judge(input) { ZhwkproX.InterMachine(.init(), random: SeededRandom(2)) }
        },
        FuzzTarget("zhwkprox-exit") { judge($0) { ZhwkproXSession.plain.exit } },
        FuzzTarget("zhwkprox-exit-extended") { judge($0) { ZhwkproXSession.extended.exit } },
        FuzzTarget("zhwkprox-inter") { judge($0) { ZhwkproXSession.asking(ZhwkproXSession.plain.inter) } },
        FuzzTarget("zhwkprox-inter-extended") { judge($0) { ZhwkproXSession.asking(ZhwkproXSession.extended.inter) } },
    ]

    private static func judge<Machine: SessionMachine>(_ input: [UInt8], _ make: () -> Machine) -> String? {
        let flags = input.first ?? 0
        let manner = FuzzDriver<Machine>.Manner(accepts: flags & 1 == 0, echoes: flags & 2 != 0)
        return FuzzDriver.judgeLoosely(Array(input.dropFirst())) { FuzzDriver(running: make(), manner) }
    }
}

/// Machines that have logged in.
enum ZhwkproXSession {
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    // Values that nobody changes: each use makes a copy.
    nonisolated(unsafe) static let plain = made(extended: false)
    nonisolated(unsafe) static let extended = made(extended: true)

    private static func made(extended: Bool) -> (exit: ZhwkproX.ExitMachine, inter: ZhwkproX.InterMachine) {
        let exit = ZhwkproX.ExitMachine(.init(usesExtension: extended), random: SeededRandom(1))
        let inter = ZhwkproX.InterMachine(.init(usesExtension: extended), random: SeededRandom(2))
        var both = MachinePair(exit, inter, seed: 1)
        both.now = Self.now
        both.run { _, _, _ in }
        return (both.client, both.server)
    }

    /// With streams to two destinations, two of them to the same.
    static func asking(_ inter: ZhwkproX.InterMachine) -> ZhwkproX.InterMachine {
        var inter = inter
        for number in [1, 1, 2] as [UInt32] {
            let request = StreamRequest(.tcp(.address(IPAddress(v4: number)), port: 80))
            _ = try? inter.open(request, now: Self.now)
        }
        while inter.next(now: Self.now, writable: true) != nil {}
        return inter
    }
}
