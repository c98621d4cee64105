// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import WarrenCore
import WarrenLoop
import WarrenRuntime

extension FuzzTarget {
    static let web = [
        FuzzTarget("http-service") { web($0, role: .service) },
        FuzzTarget("websocket-server") { web($0, role: .server) },
        FuzzTarget("websocket-client") { web($0, role: .client) },
        FuzzTarget("websocket-answer") { web($0, role: .answer) },
        FuzzTarget("client-hello", clientHello),
    ]

    /// What is read at some place must stay so with more bytes, and never needs what is there already.
    private static func clientHello(_ input: [UInt8]) -> String? {
        let head = ByteBuffer(bytes: input).readableBytesView
        let whole = ClientHello.read(head)
        for count in 0..<min(head.count, 512) {
            switch ClientHello.read(head.prefix(count)) {
            case .needs(let bytes): if bytes <= count { return "needs \(bytes) of \(count)" }
            case .no: return whole == .no ? nil : "no at \(count), then \(whole)"
            case .whole(let hello): return whole == .whole(hello) ? nil : "\(hello) at \(count), then \(whole)"
            }
        }
        return nil
    }

    private enum Role {
        case service
        /// Frames behind a handshake that was right.
        case server, client
        /// What a server says to the request for an upgrade.
        case answer
    }

    private static func web(_ input: [UInt8], role: Role) -> String? {
        let (whole, cut) = (WebTalk(role == .service || role == .server), WebTalk(role == .service || role == .server))
        for (talk, size) in [(whole, max(input.count, 1)), (cut, 1)] {
            switch role {
            case .service, .answer: break
            case .server: talk.say(Array(WebTalk.request.utf8), by: 1 << 16)
            case .client: talk.say(talk.welcome, by: 1 << 16)
            }
            talk.say(input, by: size)
            talk.before = talk.heard.soFar
            talk.end()
        }
        return whole.complaint ?? cut.complaint ?? Self.difference(whole.before, cut.before)
    }

    /// Of a read in which there is a fault, what came before it in the same text may be left out.
    private static func difference(_ whole: Heard, _ cut: Heard) -> String? {
        let isRight =
            whole.hasFailed && cut.hasFailed
            ? cut.bytes.readableBytesView.starts(with: whole.bytes.readableBytesView) : whole == cut
        return isRight ? nil : "whole: \(whole)\ncut: \(cut)"
    }
}

/// One end of ours over a leg without a connection.
private final class WebTalk: HTTPService {
    static let request =
        "GET /tunnel HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

    let heard = FuzzEars()
    /// When the input was over.
    var before = Heard()
    private(set) var complaint: String?
    private let loop = SocketLoop.manual()
    private let leg = FuzzLeg()
    private var upgraded: (any Leg)?
    private var attempt: (any OpenAttempt)?

    init(_ isServer: Bool) {
        do {
            if isServer { try self.install(on: self.leg, loop: self.loop) } else { self.ask() }
        } catch {
            self.complaint = "it could not begin: \(error)"
        }
        self.loop.runOnce()
    }

    private func ask() {
        let client = WebSocketClient(host: "a", path: "/tunnel")
        self.attempt = client.upgrade(self.leg, on: self.loop) { [weak self] result in
            if case .success(let leg) = result { self?.take(leg) }
        }
    }

    /// The right answer to the key that was said.
    var welcome: [UInt8] {
        let text = String(buffer: self.leg.written)
        let key = text.components(separatedBy: "Sec-WebSocket-Key: ").last?.prefix(24) ?? ""
        let proof = Data(Insecure.SHA1.hash(data: Data("\(key)258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)))
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        return Array("\(head)Sec-WebSocket-Accept: \(proof.base64EncodedString())\r\n\r\n".utf8)
    }

    func say(_ bytes: [UInt8], by size: Int) {
        var rest = ByteBuffer(bytes: bytes)
        while let piece = rest.readSlice(length: min(size, rest.readableBytes)), piece.readableBytes > 0 {
            self.leg.receive(piece)
            self.loop.runOnce()
        }
        if self.leg.written.readableBytes > 1 << 20, self.leg.written.readableBytes > 64 * bytes.count {
            self.complaint = "\(self.leg.written.readableBytes) bytes written for \(bytes.count)"
        }
    }

    func end() {
        self.upgraded?.write(ByteBuffer(string: "bye"))
        self.upgraded?.flush()
        self.upgraded?.finish()
        self.loop.runOnce()
        self.leg.receiveEnd()
        self.loop.runOnce()
        self.attempt?.cancel()
        self.upgraded?.end(.aborted)
        self.loop.runOnce()
        self.leg.vanish()
        self.loop.runOnce()
    }

    private func take(_ leg: any Leg) {
        self.upgraded = leg
        leg.events = self.heard
        leg.begin()
    }

    func answer(_ request: HTTPServiceRequest) -> HTTPServiceAnswer {
        request.uri == "/tunnel" ? .upgradeRequired : HTTPServiceAnswer(.ok, body: request.body)
    }

    func mayUpgrade(_ request: HTTPServiceRequest) -> UpgradeVerdict<Int> {
        request.uri.hasPrefix("/tunnel") ? .granted(1) : .refused(.forbidden)
    }

    func upgraded(_ leg: any Leg, _ request: HTTPServiceRequest, token: Int, on loop: SocketLoop) { self.take(leg) }
    func abandoned(_ token: Int) {}
}

/// A leg without a connection.
private final class FuzzLeg: Leg {
    var events: (any LegEvents)?
    var isWritable: Bool { true }
    private(set) var written = ByteBuffer()
    private var isGone = false

    func begin() {}
    func unread(_ bytes: ByteBuffer) {}
    func write(_ bytes: ByteBuffer) {
        self.written.writeImmutableBuffer(bytes)
        self.events?.sent(bytes.readableBytes, by: self)
    }
    func flush() {}
    func setReading(_ reading: Bool) {}
    func finish() {}
    func end(_ fault: StreamFault?) { self.vanish(fault) }

    func receive(_ bytes: ByteBuffer) {
        guard !self.isGone else { return }
        self.events?.received(bytes, by: self)
        self.events?.receivedBurst(by: self)
    }

    func receiveEnd() { if !self.isGone { self.events?.finished(by: self) } }

    func vanish(_ fault: StreamFault? = .aborted) {
        guard !self.isGone else { return }
        self.isGone = true
        self.events?.ended(self, fault)
    }
}

/// What has come through.
private struct Heard: Equatable {
    var bytes = ByteBuffer()
    var hasFinished = false
    var hasFailed = false
}

/// Hears what comes through.
private final class FuzzEars: LegEvents {
    private(set) var soFar = Heard()
    var needs: LegNeeds { [] }
    func received(_ bytes: ByteBuffer, by leg: any Leg) { self.soFar.bytes.writeImmutableBuffer(bytes) }
    func receivedBurst(by leg: any Leg) {}
    func finished(by leg: any Leg) { self.soFar.hasFinished = true }
    func sent(_ count: Int, by leg: any Leg) {}
    func writabilityChanged(of leg: any Leg) {}
    func ended(_ leg: any Leg, _ fault: StreamFault?) {
        if fault != nil { self.soFar.hasFailed = true }
        leg.events = nil
    }
}

@available(*, unavailable)
extension WebTalk: Sendable {}
