// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Testing
import WarrenCore
import WarrenLoop
import WarrenLoopTesting

@testable import WarrenRuntime

/// One stream that was asked for, and what became of it.
struct AskedStream: Sendable {
    let loop: SocketLoop
    private let attempt: NIOLoopBound<any OpenAttempt>
    /// What it was answered; there may be none, but never more than one.
    let answers: Mailbox<Result<NIOLoopBound<any Leg>, StreamFault>>

    init(_ outbound: PerStreamOutbound) async throws {
        let loop = Pair.loops.next()
        let answers = Mailbox<Result<NIOLoopBound<any Leg>, StreamFault>>()
        self.loop = loop
        self.answers = answers
        self.attempt = try await loop.submit {
            let attempt = outbound.open(.named("far"), trusted: false, on: loop) { result in
                answers.put(result.map { NIOLoopBound($0, eventLoop: loop) })
            }
            return NIOLoopBound(attempt, eventLoop: loop)
        }.get()
    }

    /// The stream, begun.
    func stream() async throws -> OpenedStream {
        let (loop, bound) = (self.loop, try #require(try await self.answers.next()?.get()))
        return try await loop.submit {
            let probe = LegProbe(loop)
            bound.value.events = probe
            bound.value.begin()
            return OpenedStream(loop: loop, leg: bound, probe: NIOLoopBound(probe, eventLoop: loop))
        }.get()
    }

    func fault() async -> StreamFault? {
        if case .failure(let fault) = await self.answers.next() { fault } else { nil }
    }

    func cancel() async throws {
        let attempt = self.attempt
        try await self.loop.submit { attempt.value.cancel() }.get()
    }
}

/// The near end of a stream that was opened.
struct OpenedStream: Sendable {
    let loop: SocketLoop
    let leg: NIOLoopBound<any Leg>
    let probe: NIOLoopBound<LegProbe>

    func on<Value: Sendable>(_ body: @escaping @Sendable (any Leg, LegProbe) -> Value) async throws -> Value {
        let (leg, probe) = (self.leg, self.probe)
        return try await self.loop.submit { body(leg.value, probe.value) }.get()
    }

    /// Says these words and no more.
    func say(_ words: String) async throws {
        try await self.on { leg, _ in
            leg.write(ByteBuffer(string: words))
            leg.flush()
            leg.finish()
        }
    }

    /// Everything that came until the end, which was in order.
    func everything() async throws -> String {
        let probe = self.probe
        let fault = try await self.loop.flatSubmit { probe.value.ended.futureResult }.get()
        #expect(fault == nil)
        return try await self.on { String(buffer: $1.bytes) }
    }
}

/// A ``PerStreamOutbound`` to servers of the test, and what it logs.
struct CarrierRig: Sendable {
    let log = LogRecorder()
    let outbound: PerStreamOutbound
    /// The hosts to which a peer sent us on.
    let redirections = Mailbox<String>()

    /// - Parameter elsewhere: a port of 127.0.0.1 for whatever host a peer names; nil follows nobody.
    init(_ carriers: [SessionCarrier], elsewhere: UInt16? = nil) {
        let redirections = self.redirections
        self.outbound = PerStreamOutbound(name: "far", reporter: self.log.reporter) {
            PerStreamOutbound.Route(carriers: carriers) { host in
                redirections.put(host)
                return elsewhere.map { .words(port: $0) }
            }
        }
    }

    /// Why carriers were not to be had: there are no other lines.
    var reasons: [String?] {
        #expect(self.log.lines.allSatisfy { $0.message == "carrier failed" && $0.level == .notice })
        #expect(self.log.lines.allSatisfy { $0.metadata["outbound"] == "far" })
        return self.log.lines.map { $0.metadata["reason"] }
    }
}
