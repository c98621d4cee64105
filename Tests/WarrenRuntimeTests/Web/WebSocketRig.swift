// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import WarrenCore
import WarrenLoop

@testable import WarrenRuntime

/// A service that writes down what it is asked.
final class RecordingService: HTTPService {
    var lines: [String] = []
    var legs: [any Leg] = []
    /// Takes an upgraded leg; keeps it unless a test does otherwise.
    var onLeg: (any Leg) -> Void = { _ in }
    var onGrant: () -> Void = {}
    var body = ByteBuffer(string: "hello")

    func answer(_ request: HTTPServiceRequest) -> HTTPServiceAnswer {
        let login = request.authorization.map { " as \($0)" } ?? ""
        self.lines.append("\(request.method) \(request.uri) \(String(buffer: request.body))\(login)")
        switch request.uri {
        case "/tunnel": return .upgradeRequired
        case "/empty": return HTTPServiceAnswer(.noContent)
        case "/hello": return HTTPServiceAnswer(.ok, body: self.body)
        default: return HTTPServiceAnswer(.notFound)
        }
    }

    func mayUpgrade(_ request: HTTPServiceRequest) -> UpgradeVerdict<String> {
        self.lines.append("upgrade \(request.uri)")
        self.onGrant()
        return request.uri.hasPrefix("/tunnel") ? .granted("token") : .refused(.forbidden)
    }

    func upgraded(_ leg: any Leg, _ request: HTTPServiceRequest, token: String, on loop: SocketLoop) {
        self.lines.append("upgraded \(token)")
        self.legs.append(leg)
        self.onLeg(leg)
    }

    func abandoned(_ token: String) { self.lines.append("abandoned \(token)") }
}

/// The test's end of a connection in memory: bytes by hand.
final class RawEnd {
    let leg: MemoryLeg
    let probe: LegProbe
    let loop: SocketLoop

    init(_ leg: MemoryLeg, on loop: SocketLoop) {
        self.leg = leg
        self.loop = loop
        self.probe = LegProbe(loop)
        leg.events = self.probe
        leg.begin()
    }

    deinit { self.probe.letGo() }

    func send(_ bytes: ByteBuffer) {
        self.leg.write(bytes)
        self.leg.flush()
        self.loop.runOnce()
    }

    func send(_ text: String) { self.send(ByteBuffer(string: text)) }

    func finish() {
        self.leg.finish()
        self.loop.runOnce()
    }

    var text: String { String(buffer: self.probe.bytes) }

    /// The frames that came behind the head of HTTP.
    var frames: [RawFrame] {
        var bytes = self.probe.bytes
        guard let end = bytes.readableBytesView.firstRange(of: Array("\r\n\r\n".utf8)) else { return [] }
        bytes.moveReaderIndex(to: end.upperBound)
        return RawFrame.all(in: bytes)
    }
}

extension LegProbe {
    /// Keeps the promises that a test did not come to.
    func letGo() {
        self.finished.succeed()
        self.ended.succeed(nil)
    }
}

/// One end of ours, the other end by hand.
final class RawRig {
    let loop = SocketLoop.manual()
    let raw: RawEnd
    let near: MemoryLeg
    let service = RecordingService()
    let probe: LegProbe
    var failures: [String] = []
    private(set) var leg: (any Leg)?
    private(set) var attempt: (any OpenAttempt)?

    /// - Parameter begins: whether the leg begins as soon as it is there.
    private init(begins: Bool) {
        let (near, far) = MemoryLeg.pair(on: self.loop)
        self.near = near
        self.raw = RawEnd(far, on: self.loop)
        self.probe = LegProbe(self.loop, needs: .counts)
        self.service.onLeg = { [unowned self] in self.take($0, begins: begins) }
    }

    deinit { self.probe.letGo() }

    private func take(_ leg: any Leg, begins: Bool) {
        self.leg = leg
        leg.events = self.probe
        if begins { leg.begin() }
    }

    static func server(
        begins: Bool = true, limits: HTTPServiceLimits = HTTPServiceLimits(), asks: Bool = true
    ) throws -> RawRig {
        let rig = RawRig(begins: begins)
        try rig.service.install(on: rig.near, loop: rig.loop, limits: limits)
        if asks { rig.raw.send(Handshake.request()) }
        return rig
    }

    static func client(
        _ client: WebSocketClient = WebSocketClient(host: "a", path: "/tunnel"), begins: Bool = true,
        answers: Bool = true
    ) -> RawRig {
        let rig = RawRig(begins: begins)
        let channel = LegChannel(rig.near, on: rig.loop)
        let attempt = WebSocketAttempt(client, channel, on: rig.loop, key: Handshake.key) { [unowned rig] result in
            switch result {
            case .success(let leg): rig.take(leg, begins: begins)
            case .failure(let failure): rig.failures.append(failure.description)
            }
        }
        rig.attempt = attempt
        attempt.start()
        rig.loop.runOnce()
        if answers { rig.raw.send(Handshake.answer()) }
        return rig
    }

    func write(_ text: String) {
        self.leg?.write(ByteBuffer(string: text))
        self.leg?.flush()
        self.loop.runOnce()
    }

    var received: String { String(buffer: self.probe.bytes) }
}

/// Both ends are ours, joined in memory.
final class WebSocketPair {
    let loop = SocketLoop.manual()
    let service = RecordingService()
    let clientProbe: LegProbe
    let serverProbe: LegProbe
    private(set) var client: (any Leg)?
    private(set) var server: (any Leg)?

    init(step: Int = .max, path: String = "/tunnel") throws {
        let (near, far) = MemoryLeg.pair(on: self.loop, step: step)
        self.clientProbe = LegProbe(self.loop, needs: .counts)
        self.serverProbe = LegProbe(self.loop, needs: .counts)
        self.service.onLeg = { [unowned self] leg in
            self.server = leg
            leg.events = self.serverProbe
            leg.begin()
        }
        try self.service.install(on: far, loop: self.loop)
        _ = WebSocketClient(host: "a", path: path).upgrade(near, on: self.loop) { [unowned self] result in
            guard case .success(let leg) = result else { return }
            self.client = leg
            leg.events = self.clientProbe
            leg.begin()
        }
        self.loop.runOnce()
    }

    deinit {
        self.clientProbe.letGo()
        self.serverProbe.letGo()
    }
}

@available(*, unavailable)
extension RecordingService: Sendable {}
@available(*, unavailable)
extension RawEnd: Sendable {}
@available(*, unavailable)
extension RawRig: Sendable {}
@available(*, unavailable)
extension WebSocketPair: Sendable {}
