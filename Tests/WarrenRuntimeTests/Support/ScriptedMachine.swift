// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// What a scripted machine was told, and what it says next. On one event loop only.
final class Script {
    enum Call: Hashable {
        case start
        case receive(String)
        case receiveEnd
        case judged(Verdict)
        case open(StreamRequest)
        case accept(StreamID)
        case send(String, StreamID)
        case finish(StreamID)
        case reset(StreamID, StreamFault?)
        case consumed(Int, StreamID)
    }

    var calls: [Call] = []
    var steps: [SessionAction] = []
    var deadline: NIODeadline?
    var wantsBytes = true
    var peerHoldsBack = false
    /// Streams whose queue is full.
    var full: Set<StreamID> = []
    /// Thrown by `open`.
    var refusal: StreamFault?
    /// What `writable` was at the last pull.
    var writable: Bool?
    /// The machine's answer to what it is told.
    var onCall: (Script, Call) -> Void = { _, _ in }
    /// What the machine does when its deadline is over.
    var onDeadline: (Script) -> Void = { _ in }
    /// The stream that was opened last.
    fileprivate(set) var lastStream = StreamID(100)
    fileprivate var isClosed = false

    func hears(_ call: Call) {
        self.calls.append(call)
        self.onCall(self, call)
    }

    func says(_ steps: SessionAction...) { self.steps += steps }

    /// The calls since the last time.
    func take() -> [Call] {
        defer { self.calls = [] }
        return self.calls
    }
}

/// A session machine that does what its script says.
struct ScriptedMachine: SessionMachine {
    let script: Script

    var deadline: NIODeadline? { self.script.deadline }
    var wantsBytes: Bool { self.script.wantsBytes }
    var peerHoldsBack: Bool { self.script.peerHoldsBack }
    func hasRoom(on stream: StreamID) -> Bool { !self.script.full.contains(stream) }

    mutating func start(now: NIODeadline) { self.script.hears(.start) }
    mutating func receive(_ bytes: ByteBuffer) { self.script.hears(.receive(String(buffer: bytes))) }
    mutating func receiveEnd() { self.script.hears(.receiveEnd) }
    mutating func judged(_ verdict: Verdict) { self.script.hears(.judged(verdict)) }
    mutating func accept(_ stream: StreamID) { self.script.hears(.accept(stream)) }
    mutating func send(_ bytes: ByteBuffer, on stream: StreamID) {
        self.script.hears(.send(String(buffer: bytes), stream))
    }
    mutating func finish(_ stream: StreamID) { self.script.hears(.finish(stream)) }
    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) { self.script.hears(.reset(stream, fault)) }
    mutating func consumed(_ count: Int, on stream: StreamID) { self.script.hears(.consumed(count, stream)) }

    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        if let refusal = self.script.refusal { throw refusal }
        self.script.lastStream = StreamID(self.script.lastStream.rawValue + 1)
        self.script.hears(.open(request))
        return self.script.lastStream
    }

    mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        self.script.writable = writable
        if let deadline = self.script.deadline, deadline <= now {
            self.script.deadline = nil
            self.script.onDeadline(self.script)
        }
        guard !self.script.isClosed, !self.script.steps.isEmpty else { return nil }
        let step = self.script.steps.removeFirst()
        if case .close = step { self.script.isClosed = true }
        return step
    }
}

/// A session's surroundings, as the test wants them.
final class ScriptedOwner: SessionOwner, @unchecked Sendable {
    // Sendable: used on the loop of its session only; the judge is a value.
    enum Event: Hashable {
        case began
        case ready
        case granted(Grant)
        case streamEnded(StreamRequest, bytesIn: Int, bytesOut: Int, StreamFault?)
        case ended(CloseReason)
    }

    let judge: any Authenticator
    private(set) var events: [Event] = []
    /// Reaches destinations; the default never answers.
    var onOpen: (StreamRequest, @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt = { _, _ in
        CountingAttempt()
    }
    var onEvent: (Event) -> Void = { _ in }

    init(judge: any Authenticator = NoAuthenticator()) { self.judge = judge }

    func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        var request = request
        request.source = nil
        return self.onOpen(request, answer)
    }

    func streamEnded(_ request: StreamRequest, _ report: BridgeReport, user: String?) {
        let request = StreamRequest(request.destination)
        self.note(.streamEnded(request, bytesIn: report.bytesIn, bytesOut: report.bytesOut, report.fault))
    }
    func sessionBegan(_ session: any Session) { self.note(.began) }
    func sessionReady(_ session: any Session) { self.note(.ready) }
    func sessionGranted(_ session: any Session, _ grant: Grant) { self.note(.granted(grant)) }
    func sessionEnded(_ session: any Session, _ reason: CloseReason) { self.note(.ended(reason)) }

    private func note(_ event: Event) {
        self.events.append(event)
        self.onEvent(event)
    }
}

/// An attempt that knows whether it was given up.
final class CountingAttempt: OpenAttempt {
    private(set) var cancels = 0
    func cancel() { self.cancels += 1 }
}

struct ScriptedJudge: Authenticator {
    let verdict: Verdict
    func judge(_ claim: Claim, from peer: SocketAddress?) async -> Verdict { self.verdict }
    func admits(_ user: String?, letInBy former: any Authenticator) -> Bool {
        user.map { self.verdict == .accepted(name: $0) } ?? true
    }
}

extension StreamRequest {
    /// A request for port 1 of a name.
    static func named(_ name: String) -> StreamRequest { StreamRequest(.tcp(.name(name), port: 1)) }
}
