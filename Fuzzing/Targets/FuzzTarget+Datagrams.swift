// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenSecureDatagrams
import WarrenTesting

extension FuzzTarget {
    static let datagrams = [
        FuzzTarget("datagram-listener") { input in
            let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
            let address = SecureDatagrams.Address(IPAddress(v4: 0x7F00_0001), port: 1)
            for key in [SecureDatagrams.ListenerKey.shared(.init()), .pair(own: .init(), clients: [])] {
                var listener = SecureDatagrams.Listener(key: key, now: now)
                listener.input(ByteBuffer(bytes: input), from: address, now: now)
                if listener.poll(now: now) != nil { return "an answer to who has not the key" }
                if listener.nextEvent() != nil { return "an event by who has not the key" }
            }
            return nil
        },
        FuzzTarget("datagram-initiator") { input in
            let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
            var initiator = SecureDatagrams.Initiator(key: .shared(.init()), now: now)
            guard initiator.poll(now: now) != nil else { return "no request" }
            initiator.input(ByteBuffer(bytes: input), now: now)
            return initiator.state == .handshaking && initiator.nextEvent() == nil ? nil : "believes a stranger"
        },
        FuzzTarget("datagram-pair") { input in
            var story = SecureStory(input)
            return story.run()
        },
        FuzzTarget("datagram-keys") { input in
            let text = String(decoding: input, as: UTF8.self)
            guard let key = try? SecureDatagrams.PublicKey(parsing: text) else { return nil }
            return (try? SecureDatagrams.PublicKey(parsing: key.text)) == key ? nil : "not read again: \(key.text)"
        },
    ]
}

/// Two ends that have each other's key, over a network that does what the input says, and somebody who changes datagrams and
/// puts in his own.
///
/// An input is a setting and then steps, each a byte and what it needs. What an end is given must have been sealed by the
/// other one, and comes once.
private struct SecureStory {
    private static let keys = SecureStoryKeys()

    private var script: ByteBuffer
    private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var client: SecureDatagrams.Initiator
    private var server: SecureDatagrams.Listener
    private var session: SecureDatagrams.SessionID?
    private var port: UInt16 = 1
    private var toServer: [ByteBuffer] = []
    private var toClient: [ByteBuffer] = []
    /// Payloads that were sealed and have not come: numbers of this story.
    private var sealed: Set<UInt32> = []
    private var number: UInt32 = 0
    private var complaint: String?

    init(_ input: [UInt8]) {
        self.script = ByteBuffer(bytes: input)
        let flags: UInt8 = self.script.readInteger() ?? 0
        let keys = flags & 1 == 0 ? Self.keys.shared : Self.keys.pair
        var limits = SecureDatagrams.Limits()
        limits.alwaysCookies = flags & 2 != 0
        limits.sessions = 4
        limits.pending = 2
        let now = self.now
        self.client = SecureDatagrams.Initiator(key: keys.0, random: SeededRandom(1), now: now)
        self.server = SecureDatagrams.Listener(key: keys.1, limits: limits, random: SeededRandom(2), now: now)
        self.pull()
        // Most stories begin with a session that is up.
        guard flags & 4 == 0 else { return }
        for _ in 0..<4 {
            self.carry(toServer: true, 9)
            self.carry(toServer: false, 9)
        }
    }

    mutating func run() -> String? {
        while self.complaint == nil, let word: UInt8 = self.script.readInteger() { self.step(word) }
        return self.complaint
    }

    private mutating func step(_ word: UInt8) {
        let toServer = word & 8 == 0
        let number = Int(word >> 4)
        switch word & 7 {
        case 0: self.forge(toServer: toServer)
        case 1: self.spoil(toServer: toServer, number)
        case 2: self.seal(toServer: toServer)
        case 3: self.carry(toServer: toServer, 1 + number)
        case 4: self.lose(toServer: toServer, number)
        case 5: self.replay(toServer: toServer, number)
        case 6: self.now = self.now + (number == 0 ? .seconds(200) : .milliseconds(Int64(number * number * 100)))
        default: self.port = UInt16(1 + number)
        }
        self.pull()
    }

    private mutating func arrive(_ datagram: ByteBuffer, toServer: Bool) {
        let address = SecureDatagrams.Address(IPAddress(v4: 0x7F00_0001), port: self.port)
        if toServer {
            self.server.input(datagram, from: address, now: self.now)
        } else {
            self.client.input(datagram, now: self.now)
        }
        self.pull()
    }

    private mutating func forge(toServer: Bool) {
        let length = Int(self.script.readInteger(as: UInt8.self) ?? 0)
        guard let datagram = self.script.readSlice(length: min(length, self.script.readableBytes)) else { return }
        self.arrive(datagram, toServer: toServer)
    }

    private mutating func spoil(toServer: Bool, _ number: Int) {
        let place = Int(self.script.readInteger(as: UInt8.self) ?? 0)
        let change = max(self.script.readInteger(as: UInt8.self) ?? 1, 1)
        let way = toServer ? self.toServer : self.toClient
        guard !way.isEmpty else { return }
        var datagram = way[number % way.count]
        let index = datagram.readerIndex + place % max(datagram.readableBytes, 1)
        guard let byte = datagram.getInteger(at: index, as: UInt8.self) else { return }
        datagram.setInteger(byte ^ change, at: index)
        self.arrive(datagram, toServer: toServer)
    }

    private mutating func seal(toServer: Bool) {
        self.number += 1
        let payload = ByteBuffer(integer: self.number)
        var datagram = ByteBuffer()
        if toServer {
            guard self.client.seal(payload, into: &datagram, now: self.now) else { return }
            self.append(datagram, toServer: true)
        } else {
            guard let session, self.server.seal(payload, for: session, into: &datagram, now: self.now) != nil else {
                return
            }
            self.append(datagram, toServer: false)
        }
        self.sealed.insert(self.number)
        if datagram.readableBytes != 4 + SecureDatagrams.overhead { self.complaint = "\(datagram.readableBytes) bytes" }
    }

    private mutating func append(_ datagram: ByteBuffer, toServer: Bool) {
        if toServer, self.toServer.count < 64 { self.toServer.append(datagram) }
        if !toServer, self.toClient.count < 64 { self.toClient.append(datagram) }
    }

    private mutating func carry(toServer: Bool, _ count: Int) {
        let all = (toServer ? self.toServer : self.toClient).prefix(count)
        if toServer { self.toServer.removeFirst(all.count) } else { self.toClient.removeFirst(all.count) }
        for datagram in all { self.arrive(datagram, toServer: toServer) }
    }

    private mutating func lose(toServer: Bool, _ number: Int) {
        if toServer, !self.toServer.isEmpty { self.toServer.remove(at: number % self.toServer.count) }
        if !toServer, !self.toClient.isEmpty { self.toClient.remove(at: number % self.toClient.count) }
    }

    /// It arrives, and stays where it is.
    private mutating func replay(toServer: Bool, _ number: Int) {
        let way = toServer ? self.toServer : self.toClient
        if !way.isEmpty { self.arrive(way[number % way.count], toServer: toServer) }
    }

    private mutating func pull() {
        for _ in 0..<100 {
            if let datagram = self.client.poll(now: self.now) {
                self.append(datagram, toServer: true)
            } else if let outgoing = self.server.poll(now: self.now) {
                self.append(outgoing.datagram, toServer: false)
            } else {
                return self.hear()
            }
        }
        self.complaint = "they do not stop speaking"
    }

    private mutating func hear() {
        while let event = self.client.nextEvent() {
            if case .payload(let payload) = event { self.take(payload) }
        }
        while let event = self.server.nextEvent() {
            switch event {
            case .up(let id, _, _): self.session = id
            case .payload(_, let payload): self.take(payload)
            case .ended(let id, _): if self.session == id { self.session = nil }
            case .moved: break
            case .elsewhere: self.complaint = "there is no other part"
            }
        }
        if self.server.count > 4 { self.complaint = "\(self.server.count) sessions" }
    }

    private mutating func take(_ payload: ByteBuffer) {
        let number = payload.getInteger(at: payload.readerIndex, as: UInt32.self) ?? 0
        if payload.readableBytes != 4 || self.sealed.remove(number) == nil {
            self.complaint = "payload that was not sealed, or has come before: \(payload)"
        }
    }
}

/// Keys that are the same in every run.
private struct SecureStoryKeys: Sendable {
    let shared: (SecureDatagrams.InitiatorKey, SecureDatagrams.ListenerKey)
    let pair: (SecureDatagrams.InitiatorKey, SecureDatagrams.ListenerKey)

    init() {
        let bytes = { (byte: Character) in String(repeating: byte, count: 42) + "A=" }
        let both = (try? SecureDatagrams.SharedKey(parsing: "warren-vproxy-shared:" + bytes("B"))) ?? .init()
        let key = { (byte: Character) in
            (try? SecureDatagrams.PrivateKey(parsing: "warren-vproxy-private:" + bytes(byte))) ?? .init()
        }
        let (client, server) = (key("C"), key("D"))
        self.shared = (.shared(both), .shared(both))
        self.pair = (
            .pair(own: client, server: server.publicKey), .pair(own: server, clients: [client.publicKey])
        )
    }
}
