// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras
import NIOCore
import WarrenCore
import WarrenJProxy
import WarrenTesting

// Behind the login the input is `n u8 | plain text n`, again and again: each becomes a packet of its own.
extension FuzzTarget {
    static let jproxy = [
        FuzzTarget("jproxy-server-login") { input in
            FuzzDriver.judge(input, .init(verdict: .denied)) {
                JProxy.ServerMachine(.init(), random: ScriptedRandom(bytes: JProxySession.key))
            }
        },
        FuzzTarget("jproxy-client-login") { input in
            FuzzDriver.judge(input) { JProxySession.client(extended: true) }
        },
        FuzzTarget("jproxy-server") { judge($0) { JProxySession.server(extended: false) } },
        FuzzTarget("jproxy-server-extended") { judge($0) { JProxySession.server(extended: true) } },
        FuzzTarget("jproxy-client") { judge($0) { JProxySession.running(extended: false) } },
        FuzzTarget("jproxy-client-extended") { judge($0) { JProxySession.running(extended: true) } },
    ]

    private static func judge<Machine: SessionMachine>(_ input: [UInt8], _ make: () -> Machine) -> String? {
        let flags = input.first ?? 0
        let manner = FuzzDriver<Machine>.Manner(accepts: flags & 1 == 0, echoes: flags & 2 != 0)
        let bytes = JProxySession.packets(Array(input.dropFirst()))
        return FuzzDriver.judgeLoosely(bytes) { FuzzDriver(running: make(), manner) }
    }
}

/// Machines that have logged in with a key that we know.
enum JProxySession {
    static let key = Array(UInt8(1)...16)
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// Making an RSA key takes a while: one for all.
    static let pair: JProxy.KeyPair? = {
        var random = SeededRandom(1)
        return try? JProxy.KeyPair.generate(name: "alice", using: &random)
    }()

    static func client(extended: Bool) -> JProxy.ClientMachine {
        guard let pair else { fatalError("there is no key") }
        return JProxy.ClientMachine(
            .init(key: pair.client, usesExtension: extended), random: ScriptedRandom(bytes: []))
    }

    static func server(extended: Bool) -> JProxy.ServerMachine { Self.login(extended).server }

    /// A client with streams that wait for their answers.
    static func running(extended: Bool) -> JProxy.ClientMachine {
        var client = Self.login(extended).client
        for port in 1...4 as ClosedRange<UInt16> {
            _ = try? client.open(StreamRequest(.tcp(Host("192.0.2.1"), port: port)), now: Self.now)
        }
        while client.next(now: Self.now, writable: true) != nil {}
        return client
    }

    // Values that nobody changes: each use makes a copy.
    private nonisolated(unsafe) static let plain = made(extended: false)
    private nonisolated(unsafe) static let extended = made(extended: true)

    private static func login(_ extended: Bool) -> (client: JProxy.ClientMachine, server: JProxy.ServerMachine) {
        extended ? Self.extended : Self.plain
    }

    private static func made(extended: Bool) -> (client: JProxy.ClientMachine, server: JProxy.ServerMachine) {
        let server = JProxy.ServerMachine(
            .init(usesExtension: extended), random: ScriptedRandom(bytes: Self.key))
        var both = MachinePair(Self.client(extended: extended), server, seed: 1)
        both.now = Self.now
        both.run { end, action, both in
            guard case .authenticate = action, end == .server else { return }
            both.server.judged(.accepted(name: "alice", credential: Self.pair?.user.publicKey ?? []))
        }
        return (both.client, both.server)
    }

    static func packets(_ plain: [UInt8]) -> [UInt8] {
        let key = SymmetricKey(data: Self.key)
        var rest = plain[...]
        var all: [UInt8] = []
        while let count = rest.popFirst() {
            var bytes = Array(rest.prefix(Int(count)))
            rest = rest.dropFirst(Int(count))
            let padding = 16 - bytes.count % 16
            bytes += Array(repeating: UInt8(padding), count: padding)
            all.append(UInt8(bytes.count / 16))
            for start in stride(from: 0, to: bytes.count, by: 16) {
                var block = Array(bytes[start..<start + 16])
                do { try AES.permute(&block, key: key) } catch { fatalError("a block of 16 bytes was refused") }
                all += block
            }
        }
        return all
    }
}
