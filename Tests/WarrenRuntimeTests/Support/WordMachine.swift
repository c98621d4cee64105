// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

@testable import WarrenRuntime

/// A session that does what its peer says, a line each, however the lines are cut. Its one stream has the id 1.
///
/// | line | makes it |
/// |---|---|
/// | `ready` | say that streams may be opened |
/// | `grant KEY` | tell of a way to be reached |
/// | `open` | open a stream from the peer's side; its answer is `accepted` or `reset FAULT` |
/// | `opened`, `refuse` | answer the stream that we asked for, of which it says `asked` |
/// | `over` | hand over: what follows is the stream |
/// | `end`, `late`, `reject`, `elsewhere HOST` | close for this reason |
struct WordMachine: SessionMachine {
    static let stream = StreamID(1)
    /// Thrown by `open`.
    var refusal: StreamFault?
    private var input = ByteBuffer()
    private var steps: [SessionAction] = []
    private var hasEnded = false
    private var isOver = false

    init(refusal: StreamFault? = nil) { self.refusal = refusal }

    var deadline: NIODeadline? { nil }

    mutating func start(now: NIODeadline) {}
    mutating func receive(_ bytes: ByteBuffer) { self.input.writeImmutableBuffer(bytes) }
    mutating func receiveEnd() { self.hasEnded = true }
    mutating func accept(_ stream: StreamID) { self.says("accepted") }

    mutating func reset(_ stream: StreamID, _ fault: StreamFault?) {
        self.says("reset \(fault?.rawValue ?? "-")")
        self.steps.append(.close(fault.map { .carrierLost("the target: \($0.rawValue)") } ?? .finished))
    }

    mutating func open(_ request: StreamRequest, now: NIODeadline) throws(StreamFault) -> StreamID {
        if let refusal { throw refusal }
        self.says("asked")
        return Self.stream
    }

    mutating func next(now: NIODeadline, writable: Bool) -> SessionAction? {
        guard !self.isOver else { return nil }
        let step = self.steps.isEmpty ? self.obey() : self.steps.removeFirst()
        switch step {
        case .close, .handOver: self.isOver = true
        default: break
        }
        return step
    }

    private mutating func says(_ line: String) { self.steps.append(.write(ByteBuffer(string: line + "\n"))) }

    private mutating func obey() -> SessionAction? {
        guard let end = self.input.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            return self.hasEnded ? .close(.finished) : nil
        }
        let line = self.input.readString(length: end - self.input.readerIndex) ?? ""
        self.input.moveReaderIndex(forwardBy: 1)
        let words = line.split(separator: " ").map(String.init)
        switch words.first {
        case "ready": return .ready
        case "grant":
            return .granted(Grant(.meeting(words.last ?? ""), instance: "relay.example", lifetime: .seconds(300)))
        case "open": return .open(Self.stream, .named("inside"))
        case "opened": return .opened(Self.stream)
        case "refuse": return .end(Self.stream, .refused)
        case "over": return .handOver(Self.stream, leftover: self.input)
        case "end": return .close(.finished)
        case "late": return .close(.timedOut(phase: "waiting"))
        case "reject": return .close(.rejected("no"))
        case "elsewhere": return .close(.redirected(words.last ?? ""))
        default: return .close(.violation(WireError(.badValue, in: "line", found: line)))
        }
    }
}
