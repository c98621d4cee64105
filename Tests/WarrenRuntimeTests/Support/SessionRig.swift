// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A session with a scripted machine on a carrier in memory.
final class SessionRig {
    let script = Script()
    let owner = ScriptedOwner()
    let registry = LoopRegistry()
    let loop = SocketLoop.manual()
    let carrier = ScriptedLeg(peer: try? SocketAddress(ipAddress: "192.0.2.1", port: 9))
    let handler: SessionHandler<ScriptedMachine>

    init(_ prepare: (Script, ScriptedOwner) -> Void = { _, _ in }) {
        prepare(self.script, self.owner)
        self.handler = SessionHandler(
            ScriptedMachine(script: self.script), on: self.carrier, owner: self.owner,
            context: LoopContext(loop: self.loop, registry: self.registry)
        )
        self.handler.start()
    }

    func receive(_ text: String) { self.carrier.receive(text) }

    /// What went to the carrier since the last time, all of it flushed.
    func written() -> [String] {
        let calls = self.carrier.take()
        let flushed = calls[..<(calls.lastIndex(of: .flush) ?? 0)]
        return flushed.compactMap { if case .write(let text) = $0 { text } else { nil } }
    }

    /// Lets the machine open a stream that reaches `back` at once.
    func openStream(_ id: StreamID, to back: ScriptedLeg) {
        self.owner.onOpen = { _, answer in
            answer(.success(back))
            return NoAttempt()
        }
        self.script.says(.open(id, .named("far")))
        self.receive("open")
        _ = self.script.take()
        _ = back.take()
    }
}
