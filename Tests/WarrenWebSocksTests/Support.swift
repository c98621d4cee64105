// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenWebSocks

/// The minute of the recorded digest.
let minute: Int64 = 1_795_245_060_000
let secret = WebSocks.Digest.secret(password: "pasSw0rD")
let secrets = WebSocks.Secrets(passwords: ["alice": "pasSw0rD"])
let stream = StreamID(0)
let target = StreamRequest(.tcp(Host("127.0.0.1"), port: 18790))

func text(_ bytes: ByteBuffer) -> String { String(buffer: bytes) }

extension SessionMachine {
    mutating func drain(_ now: NIODeadline, writable: Bool = true) -> [SessionAction] {
        var actions: [SessionAction] = []
        while let action = self.next(now: now, writable: writable) { actions.append(action) }
        return actions
    }
}

extension [SessionAction] {
    var written: ByteBuffer {
        self.reduce(into: ByteBuffer()) { all, action in
            if case .write(let bytes) = action { all.writeImmutableBuffer(bytes) }
        }
    }

    var reason: CloseReason? {
        for case .close(let reason) in self { return reason }
        return nil
    }
}

/// A server as its driver would drive it, with the judge of the recorded user.
struct Server {
    var machine: WebSocks.ServerMachine
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var clock = minute
    /// Answers at once.
    var judges = true

    init(_ change: (inout WebSocks.ServerConfiguration) -> Void = { _ in }) {
        var configuration = WebSocks.ServerConfiguration { minute }
        change(&configuration)
        self.machine = WebSocks.ServerMachine(configuration)
        self.machine.start(now: self.now)
    }

    mutating func drain() -> [SessionAction] {
        var actions: [SessionAction] = []
        while let action = self.machine.next(now: self.now, writable: true) {
            actions.append(action)
            if case .authenticate(let claim) = action, self.judges {
                self.machine.judged(secrets.verdict(on: claim, at: self.clock))
            }
        }
        return actions
    }

    mutating func receive(_ bytes: ByteBuffer) -> [SessionAction] {
        self.machine.receive(bytes)
        return self.drain()
    }

    mutating func receive(_ text: String) -> [SessionAction] { self.receive(ByteBuffer(string: text)) }

    mutating func advance(_ time: TimeAmount) -> [SessionAction] {
        self.now = self.now + time
        return self.drain()
    }

    /// One that has said 101.
    static func upgraded(_ change: (inout WebSocks.ServerConfiguration) -> Void = { _ in }) throws -> Server {
        var server = Server(change)
        try #require(text(server.receive(try upgrade()).written).hasPrefix("HTTP/1.1 101 "))
        return server
    }

    /// One that has been asked for the target.
    static func asked(_ change: (inout WebSocks.ServerConfiguration) -> Void = { _ in }) throws -> Server {
        var server = try Server.upgraded(change)
        let actions = server.receive(opening)
        try #require(actions.contains(.open(stream, target)))
        return server
    }
}

/// The frame, the greeting and the request in one write, 23 bytes.
let opening = ByteBuffer(hex: "827f7fffffffffffffff 050100 05010001 7f000001 4966")
let frame = ByteBuffer(hex: "827f7fffffffffffffff")
let yes = ByteBuffer(hex: "05000001 00000000 4966")

func upgrade(host: String = "null", at milliseconds: Int64 = minute) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    let digest = WebSocks.Digest.digest(secret: secret, minute: WebSocks.Digest.minute(of: milliseconds))
    try bytes.writeWebSocksUpgrade(.init(host: host, user: "alice", digest: digest))
    return bytes
}

/// The exact request with one line changed; nil takes it out.
func upgrade(_ name: String, _ line: String?) throws -> String {
    let lines = text(try upgrade()).components(separatedBy: "\r\n")
    return lines.compactMap { $0.hasPrefix(name) ? line : $0 }.joined(separator: "\r\n")
}

func agent(_ change: (inout WebSocks.ClientConfiguration) -> Void = { _ in }) -> WebSocks.AgentMachine {
    var configuration = WebSocks.ClientConfiguration(host: "null", user: "alice", secret: secret) { minute }
    change(&configuration)
    return WebSocks.AgentMachine(configuration)
}
