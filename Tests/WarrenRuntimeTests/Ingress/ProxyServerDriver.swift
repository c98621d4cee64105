// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

@testable import WarrenRuntime

/// Plays the runtime to a proxy server: answers logins at once, and the request to connect when told to.
struct ProxyServerDriver<Machine: SessionMachine> {
    var machine: Machine
    var verdict = Verdict.accepted(name: "alice")
    var writable = true
    var now = NIODeadline.uptimeNanoseconds(0)
    private(set) var actions: [SessionAction] = []
    /// The last one that was asked for.
    private(set) var stream = StreamID(0)

    init(_ machine: Machine, verdict: Verdict = .accepted(name: "alice")) {
        self.machine = machine
        self.verdict = verdict
        self.machine.start(now: self.now)
    }

    /// All actions until the machine waits; pieces of one stream count as one.
    mutating func pull() {
        for _ in 0..<10_000 {
            guard let action = self.machine.next(now: self.now, writable: self.writable) else { return }
            if case .authenticate = action { self.machine.judged(self.verdict) }
            if case .open(let stream, _) = action { self.stream = stream }
            switch (self.actions.last, action) {
            case (.deliver(let id, var bytes), .deliver(_, let more)):
                bytes.writeImmutableBuffer(more)
                self.actions[self.actions.count - 1] = .deliver(id, bytes)
            default: self.actions.append(action)
            }
        }
        preconditionFailure("the machine does not stop speaking")
    }

    mutating func receive(_ bytes: some Sequence<UInt8>) {
        self.machine.receive(ByteBuffer(bytes: bytes))
        self.pull()
    }

    mutating func receive(_ text: String) { self.receive(Array(text.utf8)) }

    mutating func receiveEnd() {
        self.machine.receiveEnd()
        self.pull()
    }

    mutating func accept() {
        self.machine.accept(self.stream)
        self.pull()
    }

    mutating func refuse(_ fault: StreamFault?) {
        self.machine.reset(self.stream, fault)
        self.pull()
    }

    mutating func send(_ text: String) {
        self.machine.send(ByteBuffer(string: text), on: self.stream)
        self.pull()
    }

    mutating func finish() {
        self.machine.finish(self.stream)
        self.pull()
    }

    /// The actions since the last call.
    mutating func take() -> [SessionAction] {
        defer { self.actions = [] }
        return self.actions
    }
}

/// Feeds the pieces, accepts the connection if one was asked for, and gives everything that was said.
func conversation<Machine: SessionMachine>(
    _ machine: Machine, _ pieces: [ArraySlice<UInt8>], verdict: Verdict = .accepted(name: "alice")
) -> [SessionAction] {
    var driver = ProxyServerDriver(machine, verdict: verdict)
    for piece in pieces { driver.receive(piece) }
    driver.accept()
    return driver.actions
}

/// The input in one piece, in every two pieces, and byte by byte.
func everySplit(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
    (1..<max(2, bytes.count)).map { [bytes[..<$0], bytes[$0...]] } + [bytes.indices.map { bytes[$0...$0] }]
}

extension SessionAction {
    static func write(_ bytes: [UInt8]) -> SessionAction { .write(ByteBuffer(bytes: bytes)) }
    static func write(_ text: String) -> SessionAction { .write(ByteBuffer(string: text)) }
    static func deliver(_ text: String, on stream: UInt32 = 0) -> SessionAction {
        .deliver(StreamID(stream), ByteBuffer(string: text))
    }
    static func handOver(_ leftover: String, of stream: UInt32 = 0) -> SessionAction {
        .handOver(StreamID(stream), leftover: ByteBuffer(string: leftover))
    }
    static func open(_ host: String, _ port: UInt16, as stream: UInt32 = 0) -> SessionAction {
        .open(StreamID(stream), StreamRequest(.tcp(Host(host), port: port)))
    }
    static func authenticate(_ user: String, _ password: String) -> SessionAction {
        .authenticate(Claim(identity: Array(user.utf8), proof: Array(password.utf8)))
    }
    static func violation(_ code: WireError.Code, _ field: String) -> SessionAction {
        .close(.violation(WireError(code, in: field)))
    }
}

extension [UInt8] {
    /// `[5, 1] + "name" + [0]` reads like the protocol.
    static func + (bytes: [UInt8], text: String) -> [UInt8] { bytes + Array(text.utf8) }
}

let openFront = ProxyServerConfiguration()
let lockedFront = ProxyServerConfiguration(requiresLogin: true)
