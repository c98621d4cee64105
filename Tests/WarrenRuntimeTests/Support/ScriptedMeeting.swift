// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

@testable import WarrenRuntime

/// What a scripted rendezvous machine was told, and what it says next. On one event loop only, but for `heard`.
final class MeetingScript {
    enum Call: Hashable, Sendable {
        case arrive(CarrierID, IPAddress?)
        case receive(ByteBuffer, CarrierID)
        case leave(CarrierID)
        /// Its deadline was over.
        case deadline
        /// Something that the test told it.
        case other(String)
    }

    private(set) var calls: [Call] = []
    var steps: [RendezvousAction] = []
    var deadline: NIODeadline?
    /// The machine's answer to what it is told.
    var onCall: (MeetingScript, Call) -> Void
    /// The calls as they come, for tests that wait.
    let heard: Mailbox<Call>

    init(_ heard: Mailbox<Call>, onCall: @escaping (MeetingScript, Call) -> Void = { _, _ in }) {
        self.heard = heard
        self.onCall = onCall
    }

    func hears(_ call: Call) {
        self.calls.append(call)
        self.heard.put(call)
        self.onCall(self, call)
    }

    func says(_ steps: RendezvousAction...) { self.steps += steps }

    /// The calls since the last time.
    func take() -> [Call] {
        defer { self.calls = [] }
        return self.calls
    }
}

/// A rendezvous machine that does what its script says.
struct ScriptedMeeting: RendezvousMachine {
    let script: MeetingScript

    var deadline: NIODeadline? { self.script.deadline }

    mutating func arrive(_ carrier: CarrierID, from address: IPAddress?, now: NIODeadline) {
        self.script.hears(.arrive(carrier, address))
    }
    mutating func receive(_ bytes: ByteBuffer, from carrier: CarrierID) { self.script.hears(.receive(bytes, carrier)) }
    mutating func leave(_ carrier: CarrierID) { self.script.hears(.leave(carrier)) }

    mutating func next(now: NIODeadline) -> RendezvousAction? {
        if let deadline = self.script.deadline, deadline <= now {
            self.script.deadline = nil
            self.script.hears(.deadline)
        }
        return self.script.steps.isEmpty ? nil : self.script.steps.removeFirst()
    }
}

/// Joins carriers whose first lines are the same. Who waits is parked, and closed if it leaves.
final class FirstLines {
    private var input: [CarrierID: ByteBuffer] = [:]
    private var lines: [CarrierID: String] = [:]
    private var waiting: [String: CarrierID] = [:]

    func hears(_ script: MeetingScript, _ call: MeetingScript.Call) {
        switch call {
        case .receive(let bytes, let id):
            self.input[id, default: ByteBuffer()].writeImmutableBuffer(bytes)
            if self.lines[id] == nil { self.readLine(of: id, script) }
        case .leave(let id):
            self.input[id] = nil
            guard let line = self.lines.removeValue(forKey: id), self.waiting[line] == id else { return }
            self.waiting[line] = nil
            script.says(.close(id, .finished))
        case .arrive, .deadline, .other: break
        }
    }

    private func readLine(of id: CarrierID, _ script: MeetingScript) {
        guard var bytes = self.input[id], let end = bytes.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            return
        }
        let line = bytes.readString(length: end - bytes.readerIndex) ?? ""
        bytes.moveReaderIndex(forwardBy: 1)
        self.input[id] = bytes
        self.lines[id] = line
        guard let back = self.waiting.removeValue(forKey: line) else {
            self.waiting[line] = id
            return script.says(.park(id))
        }
        let early = self.input.removeValue(forKey: back) ?? ByteBuffer()
        self.input[id] = nil
        self.lines[back] = nil
        self.lines[id] = nil
        script.says(.pair(.init(front: id, back: back, fromFront: bytes, fromBack: early, meeting: line)))
    }
}
