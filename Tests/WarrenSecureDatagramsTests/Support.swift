// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenTesting

@testable import WarrenSecureDatagrams

typealias SD = SecureDatagrams

let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

func address(_ number: UInt32, port: UInt16 = 4000) -> SD.Address {
    SD.Address(IPAddress(v4: 0x0a00_0000 + number), port: port)
}

/// A client and a server that know each other, in either mode.
enum Mode: CaseIterable {
    case shared, pair

    var keys: (client: SD.InitiatorKey, server: SD.ListenerKey) {
        switch self {
        case .shared:
            let key = SD.SharedKey()
            return (.shared(key), .shared(key))
        case .pair:
            let (client, server) = (SD.PrivateKey(), SD.PrivateKey())
            return (
                .pair(own: client, server: server.publicKey), .pair(own: server, clients: [client.publicKey])
            )
        }
    }
}

/// A client and a server over a network that loses, doubles and delays, with a clock that moves only when told.
final class World {
    struct Flight {
        let at: NIODeadline
        let toServer: Bool
        let bytes: ByteBuffer
        let from: SD.Address
    }

    var now = start
    var client: SD.Initiator
    var server: SD.Listener
    var address = WarrenSecureDatagramsTests.address(1)
    var random: SeededRandom
    /// In per cent.
    var loss = 0
    var doubles = 0
    var longestDelay = 1
    var flights: [Flight] = []
    var clientEvents: [SD.Initiator.Event] = []
    var serverEvents: [SD.Listener.Event] = []
    /// Every datagram that was put out, in order.
    var sentByClient: [ByteBuffer] = []
    var sentByServer: [ByteBuffer] = []
    /// Asked about each datagram; false loses it. The number counts all that were sent.
    var passes: (Int) -> Bool = { _ in true }

    init(
        _ keys: (client: SD.InitiatorKey, server: SD.ListenerKey), seed: UInt64 = 0, timing: SD.Timing = SD.Timing(),
        limits: SD.Limits = SD.Limits()
    ) {
        self.random = SeededRandom(seed)
        self.client = SD.Initiator(key: keys.client, timing: timing, random: SeededRandom(seed &+ 1 << 32), now: start)
        self.server = SD.Listener(
            key: keys.server, timing: timing, limits: limits, random: SeededRandom(seed &+ 1 << 33), now: start)
        self.client.suite.way = Ways.current.client
        self.server.suite.way = Ways.current.server
    }

    var session: SD.SessionID? {
        for case .up(let id, _, _) in self.serverEvents.reversed() { return id }
        return nil
    }

    var clientGot: [ByteBuffer] {
        self.clientEvents.compactMap { event -> ByteBuffer? in
            guard case .payload(let bytes) = event else { return nil }
            return bytes
        }
    }

    var serverGot: [ByteBuffer] {
        self.serverEvents.compactMap { event -> ByteBuffer? in
            guard case .payload(_, let bytes) = event else { return nil }
            return bytes
        }
    }

    func fly(_ bytes: ByteBuffer, toServer: Bool) {
        let number = self.sentByClient.count + self.sentByServer.count
        if toServer { self.sentByClient.append(bytes) } else { self.sentByServer.append(bytes) }
        guard self.passes(number) else { return }
        let copies = Int.random(in: 0..<100, using: &self.random) < self.doubles ? 2 : 1
        for _ in 0..<copies where Int.random(in: 0..<100, using: &self.random) >= self.loss {
            let delay = TimeAmount.milliseconds(Int64.random(in: 1...Int64(self.longestDelay), using: &self.random))
            self.flights.append(Flight(at: self.now + delay, toServer: toServer, bytes: bytes, from: self.address))
        }
    }

    /// Puts out what both ends have to say, and hears their events.
    func pump() {
        while let datagram = self.client.poll(now: self.now) { self.fly(datagram, toServer: true) }
        while let outgoing = self.server.poll(now: self.now) { self.fly(outgoing.datagram, toServer: false) }
        while let event = self.client.nextEvent() { self.clientEvents.append(event) }
        while let event = self.server.nextEvent() { self.serverEvents.append(event) }
    }

    /// Moves the clock, stopping wherever something arrives or is due.
    func run(_ time: TimeAmount) {
        let end = self.now + time
        self.pump()
        while true {
            let next = ([self.client.deadline, self.server.deadline].compactMap { $0 } + self.flights.map(\.at)).min()
            guard let next, next <= end else { break }
            self.now = max(next, self.now)
            let due = self.flights.filter { $0.at <= self.now }.sorted { $0.at < $1.at }
            self.flights.removeAll { $0.at <= self.now }
            for flight in due {
                if flight.toServer {
                    self.server.input(flight.bytes, from: flight.from, now: self.now)
                } else {
                    self.client.input(flight.bytes, now: self.now)
                }
            }
            self.pump()
        }
        self.now = end
    }

    /// - Returns: false while it cannot be sealed.
    @discardableResult func clientSends(_ payload: ByteBuffer) -> Bool {
        var datagram = ByteBuffer()
        guard self.client.seal(payload, into: &datagram, now: self.now) else { return false }
        self.fly(datagram, toServer: true)
        return true
    }

    @discardableResult func serverSends(_ payload: ByteBuffer) -> Bool {
        var datagram = ByteBuffer()
        guard let id = self.session, self.server.seal(payload, for: id, into: &datagram, now: self.now) != nil else {
            return false
        }
        self.fly(datagram, toServer: false)
        return true
    }
}

func payload(_ number: Int) -> ByteBuffer { ByteBuffer(integer: UInt64(number)) }
