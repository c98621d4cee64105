// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenWebSocks

@Suite("WebSocks agent with server") struct PairTests {
    @Test(arguments: [false, true], WebSocks.Dialect.allCases)
    func everyStreamIsHandedOverOnBothSides(isStrict: Bool, dialect: WebSocks.Dialect) {
        for seed in 0..<200 as Range<UInt64> {
            var configuration = WebSocks.ServerConfiguration { minute }
            configuration.dialect = dialect
            var pair = MachinePair(
                agent { $0.isStrict = isStrict }, WebSocks.ServerMachine(configuration), seed: seed,
                mostChunk: seed % 2 == 0 ? 7 : 9000)
            var over: [SessionAction] = []
            for _ in 0..<2 {
                pair.advance(.milliseconds(50)) { end, action, pair in
                    switch action {
                    case .authenticate(let claim): pair.server.judged(secrets.verdict(on: claim, at: minute))
                    case .ready: #expect((try? pair.client.open(target, now: pair.now)) == stream)
                    case .open(let id, let request):
                        #expect(request == target)
                        pair.server.accept(id)
                    case .handOver: over.append(action)
                    default: #expect(Bool(false), "\(end): \(action)")
                    }
                }
            }
            #expect(over == Array(repeating: .handOver(stream, leftover: ByteBuffer()), count: 2), "seed \(seed)")
            #expect(pair.closed.isEmpty)
        }
    }

    @Test func recordedSessionsAreReplayedInBothRoles() throws {
        for recording in try Recording.all() {
            var server = Server { $0.decoding = .deployed }
            var said: [SessionAction] = []
            for bytes in recording.fromAgent where !said.contains(where: { if case .open = $0 { true } else { false } })
            {
                server.clock = Self.moment(of: bytes) ?? server.clock
                said += server.receive(bytes)
            }
            let opened = said.compactMap { if case .open(_, let request) = $0 { request } else { nil } }
            let request = try #require(opened.first)
            let answers = recording.fromServer.dropFirst().reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
            var reply = said.written
            reply.moveReaderIndex(forwardBy: text(reply).length(through: "\r\n\r\n"))
            #expect(answers.hex.hasPrefix(reply.hex) && reply.readableBytes == 22)

            var machine = agent { $0.decoding = .deployed }
            machine.start(now: AgentTests.start)
            _ = machine.drain(AgentTests.start)
            machine.receive(try #require(recording.fromServer.first))
            #expect(machine.drain(AgentTests.start) == [.ready])
            _ = try machine.open(request, now: AgentTests.start)
            let asked = machine.drain(AgentTests.start).written
            let recorded = recording.fromAgent.dropFirst().reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
            #expect(recorded.hex.contains(asked.hex))
            for bytes in recording.fromServer.dropFirst() { machine.receive(bytes) }
            guard case .handOver(stream, _)? = machine.drain(AgentTests.start).last else {
                return #expect(Bool(false), "not handed over")
            }
        }
    }

    /// The minute whose digest the request carries, among those around the recorded one.
    private static func moment(of request: ByteBuffer) -> Int64? {
        let words = text(request).split(whereSeparator: { $0 == "\r\n" || $0 == " " })
        guard let index = words.firstIndex(of: "Basic"), let login = words.dropFirst(index + 1).first,
            let claim = Claim(websocks: "Basic " + login, .deployed)
        else { return nil }
        return (-600...600).map { minute + $0 * 60_000 }
            .first { WebSocks.Digest.digest(secret: secret, minute: $0) == claim.proof }
    }
}

extension String {
    /// The length in bytes up to and with the first occurrence.
    fileprivate func length(through end: String) -> Int {
        self.range(of: end).map { self[..<$0.upperBound].utf8.count } ?? 0
    }
}
