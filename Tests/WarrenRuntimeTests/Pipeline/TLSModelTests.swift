// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import Testing
import WarrenCore
import WarrenLoop
import WarrenTesting

@testable import WarrenRuntime

/// One end of TLS, who uses it, and what must hold for what it receives.
private final class End: LegEvents {
    var needs: LegNeeds { .counts }
    /// What happens right in the report of bytes that have left, as relays go on there.
    var onSent: () -> Void = {}
    var leg: ChannelLeg? { didSet { self.leg?.events = self } }
    weak var other: End?
    /// Whether this end ends altogether when the other has finished, as relays do.
    var answersEnds = false
    private(set) var written = ByteBuffer()
    private(set) var hasFinished = false
    /// What comes after that is nobody's concern.
    private var hasEnded = false
    private(set) var received = ByteBuffer()
    private(set) var isOver = false

    func write(_ bytes: ByteBuffer) {
        guard let leg, !self.hasFinished, !self.isOver else { return }
        self.written.writeImmutableBuffer(bytes)
        leg.write(bytes)
        leg.flush()
    }

    func finish() {
        self.hasFinished = true
        self.leg?.finish()
    }

    func end(_ fault: StreamFault?) {
        self.hasEnded = true
        if fault == nil { self.hasFinished = true }
        self.leg?.end(fault)
    }

    func leave() {
        self.leg?.events = nil
        self.leg = nil
    }

    func received(_ bytes: ByteBuffer, by leg: any Leg) {
        self.received.writeImmutableBuffer(bytes)
        guard let other else { return }
        let sent = other.written.getSlice(at: 0, length: self.received.readableBytes)
        #expect(sent == self.received, "what arrives is what was written, in order")
    }

    func receivedBurst(by leg: any Leg) {}

    func finished(by leg: any Leg) {
        guard !self.hasEnded else { return }
        #expect(other?.hasFinished == true && other?.written == self.received, "an end that looks whole is whole")
        if self.answersEnds { self.end(nil) }
    }

    func sent(_ count: Int, by leg: any Leg) { self.onSent() }
    func writabilityChanged(of leg: any Leg) {}
    func failed(by error: any Error) {}

    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        #expect(!self.isOver, "one end only")
        self.isOver = true
    }
}

/// A client and a server of TLS, who write, pause and end in any order, also in the middle of the handshake.
private final class Model {
    private let loop = SocketLoop.manual()
    private var random: SeededRandom
    private let client = End()
    private let server = End()
    private let transports: [MemoryLeg]
    private var hasServer = false

    init(_ seed: UInt64) throws {
        self.random = SeededRandom(seed)
        let (near, far) = MemoryLeg.pair(
            on: self.loop, step: [20, 300, 5000, .max].randomElement(using: &self.random) ?? 1)
        self.transports = [near, far]
        (self.client.other, self.server.other) = (self.server, self.client)
        self.client.answersEnds = Bool.random(using: &self.random)
        self.server.answersEnds = Bool.random(using: &self.random)
        for leg in self.transports {
            leg.onDelivery = { [unowned self] in if Int.random(in: 0..<6, using: &self.random) == 0 { self.act() } }
        }
        for end in [self.client, self.server] {
            end.onSent = { [unowned self] in if Bool.random(using: &self.random) { self.act() } }
        }
        let gate = TLSHandshakeHandler(timeout: .seconds(10)) { [unowned self] channel in
            self.server.leg = try ChannelLeg.last(of: channel)
            self.server.leg?.begin()
            for _ in 0..<Int.random(in: 0...3, using: &self.random) { self.act() }
        } onFailure: { _ in
        }
        try LegChannel(far, on: self.loop).start(TLSServer(context: TestCertificate.server()).makeHandlers() + [gate])
        let channel = LegChannel(near, on: self.loop)
        // With 1.2 the server may end in the burst that completes the client's handshake.
        let newest = Bool.random(using: &self.random) ? TLSVersion.tlsv12 : nil
        let tls = TLSClient(context: try TestCertificate.client(newest: newest), serverName: nil)
        try channel.start(tls.makeHandlers(for: .name("localhost")))
        self.client.leg = try ChannelLeg.last(of: channel)
        self.client.leg?.begin()
    }

    func step() {
        self.act()
        self.loop.advance(by: .milliseconds(Int64.random(in: 0...3000, using: &self.random)))
    }

    private func act() {
        let end = Bool.random(using: &self.random) ? self.client : self.server
        switch Int.random(in: 0..<16, using: &self.random) {
        case 0..<8: end.write(self.random.bytes(Int.random(in: 1...3000, using: &self.random)))
        case 8, 9: end.finish()
        case 10: end.end(nil)
        case 11: end.end(.aborted)
        case 12: self.transports.randomElement(using: &self.random)?.finish()
        default: end.leg?.setReading(Bool.random(using: &self.random))
        }
    }

    /// Everybody reads and ends; both must be told so before the longest deadline is over.
    func end() {
        for leg in self.transports { leg.onDelivery = {} }
        for end in [self.client, self.server] {
            end.onSent = {}
            end.leg?.setReading(true)
            end.end(nil)
        }
        for _ in 0..<30 { self.loop.advance(by: .seconds(1)) }
        #expect(self.client.isOver)
        #expect(self.server.isOver || self.server.leg == nil)
        for end in [self.client, self.server] { end.leave() }
    }
}

@Suite struct TLSModelTests {
    @Test("no order of writes and ends stops the process or makes a cut-off stream look whole")
    func holdsForRandomSequences() throws {
        for seed in ModelRuns.seeds {
            let model = try Model(seed)
            for _ in 0..<8 { model.step() }
            model.end()
        }
    }
}
