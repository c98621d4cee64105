// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A meeting place with a scripted machine, loops of its own, and what it logs.
struct MeetingRig: Sendable {
    let loops: Loops
    let place: RendezvousService<ScriptedMeeting>
    let log = LogRecorder()
    let heard = Mailbox<MeetingScript.Call>()

    init(threads: Int = 1, onCall: @escaping (MeetingScript, MeetingScript.Call) -> Void = { _, _ in }) {
        let script = MeetingScript(self.heard, onCall: onCall)
        self.loops = Loops(threads: threads)
        self.place = RendezvousService(
            ScriptedMeeting(script: script), name: "meet", protocol: "lines", loops: self.loops,
            reporter: self.log.reporter
        )
    }

    /// One whose machine joins carriers by their first lines.
    static func joining(threads: Int = 1) -> MeetingRig {
        let lines = FirstLines()
        return MeetingRig(threads: threads) { script, call in lines.hears(script, call) }
    }

    /// Runs something on the loop of the place, with its script.
    func on<Value: Sendable>(
        _ body: @escaping @Sendable (RendezvousService<ScriptedMeeting>, MeetingScript) throws -> Value
    ) async throws -> Value {
        let place = self.place
        return try await place.loop.submit { try body(place, place.tell { machine, _ in machine.script }) }.get()
    }

    /// Lets every loop do what it was told, twice: what one tells another is done then.
    func settle() async throws {
        for _ in 0..<2 {
            for loop in self.loops.all { try await loop.submit {}.get() }
        }
    }

    /// How often the machine heard that a carrier has left.
    func leaves(of id: CarrierID) -> Int { self.heard.all.count { $0 == .leave(id) } }
}
