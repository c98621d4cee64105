// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension JET {
    /// A whole relay: all carriers, all associations.
    ///
    /// ```
    /// reading --accept, 200--> waiting --its partner comes--> joining --told--> joined --leave--> forgotten
    ///    |                        +-- left, too long, replaced --> closed
    ///    +-- connect, 200 --> joining --told--> joined --leave--> forgotten
    ///    +-- test, refused, bad bytes, left, too long --> closed
    ///    +-- upgrade --> granted --> upgraded --> waiting, joining, closed
    /// ```
    ///
    /// Every step takes constant time, whatever the number of carriers.
    public struct RelayMachine: RendezvousMachine {
        let configuration: RelayConfiguration
        var carriers: [CarrierID: Carrier] = [:]
        var associations: [UUID: Association] = [:]
        var endpoints: [Endpoint] = []
        var actions = CircularBuffer<RendezvousAction>()
        /// Carriers to look at: they have sent something, or were upgraded.
        private var queue = CircularBuffer<CarrierID>()
        var handshakes = Deadlines<CarrierID>()
        var waits = Deadlines<CarrierID>()
        var lives = Deadlines<Life>()
        /// Of the last association.
        var serial: UInt64 = 0
        /// Accepters without partner, and those that were promised an upgrade.
        var waiting = 0
        var waitingFrom: [IPAddress: Int] = [:]
        /// Associations of version 2.
        var called = 0

        /// - Precondition: the instance is at most 255 bytes long and without control characters and spaces.
        public init(_ configuration: RelayConfiguration) {
            precondition(configuration.isInstanceSendable, "a relay's name that no reply can carry")
            self.configuration = configuration
        }

        /// Where the relay listens, once that is known: each becomes a candidate of an association that is called for. Only
        /// the first 16 count.
        public mutating func listens(at endpoints: [Endpoint]) {
            self.endpoints = Array(endpoints.prefix(Association.mostCandidates))
        }

        public var deadline: NIODeadline? {
            let waits = self.waits.first ?? .distantFuture
            let lives = self.lives.first ?? .distantFuture
            let first = min(self.handshakes.first ?? .distantFuture, waits, lives)
            return first == .distantFuture ? nil : first
        }

        /// Whether nothing is left of anybody.
        var isEmpty: Bool {
            self.carriers.isEmpty && self.associations.isEmpty && self.waiting == 0 && self.waitingFrom.isEmpty
                && self.called == 0 && self.handshakes.count + self.waits.count + self.lives.count == 0
        }

        public mutating func arrive(_ carrier: CarrierID, from address: IPAddress?, now: NIODeadline) {
            guard self.carriers[carrier] == nil else { return }
            self.carriers[carrier] = Carrier(address: address?.counted)
            self.handshakes.append(carrier, due: now + self.configuration.handshake)
        }

        public mutating func receive(_ bytes: ByteBuffer, from carrier: CarrierID) {
            guard let phase = self.carriers[carrier]?.phase, phase != .joining, phase != .joined else { return }
            // One read may bring a whole request and much behind it, which is judged when the request is known.
            var held = self.carriers[carrier]?.input.readableBytes ?? 0
            if phase != .reading { held += bytes.readableBytes }
            guard held <= Carrier.mostHeld else { return self.end(carrier, .violation(.earlyBytes(held))) }
            self.carriers[carrier]?.input.take(bytes)
            if phase == .reading { self.enqueue(carrier) } else { self.carriers[carrier]?.shrinkInput() }
        }

        public mutating func leave(_ carrier: CarrierID) {
            guard let row = self.carriers[carrier] else { return }
            switch row.phase {
            case .reading:
                let found = "\(row.input.readableBytes) bytes"
                self.end(carrier, .violation(WireError(.truncated, in: "packet", found: found)))
            case .granted, .upgraded, .waiting: self.end(carrier, .finished)
            case .joining, .joined: self.endSession(of: carrier, row)
            }
        }

        public mutating func next(now: NIODeadline) -> RendezvousAction? {
            repeat {
                while let action = self.actions.popFirst() {
                    if self.mayStillBeSaid(action) { return action }
                }
            } while self.expire(now: now) || self.look(now: now)
            return nil
        }

        /// A pair that broke up before the driver heard of it is none.
        private mutating func mayStillBeSaid(_ action: RendezvousAction) -> Bool {
            guard case .pair(let pair) = action else { return true }
            guard self.carriers[pair.front]?.phase == .joining else { return false }
            self.move(pair.front, to: .joined)
            self.move(pair.back, to: .joined)
            return true
        }

        private mutating func expire(now: NIODeadline) -> Bool {
            if let carrier = self.handshakes.due(now) {
                self.end(carrier, .timedOut(phase: "handshake"))
            } else if let carrier = self.waits.due(now) {
                self.end(carrier, .timedOut(phase: "waiting for a partner"))
            } else if let life = self.lives.due(now) {
                self.lapse(life.association)
            } else {
                return false
            }
            return true
        }

        mutating func enqueue(_ carrier: CarrierID) {
            guard self.carriers[carrier]?.isQueued == false else { return }
            self.carriers[carrier]?.isQueued = true
            self.queue.append(carrier)
        }

        private mutating func look(now: NIODeadline) -> Bool {
            guard let carrier = self.queue.popFirst() else { return false }
            guard let phase = self.carriers[carrier]?.phase else { return true }
            self.carriers[carrier]?.isQueued = false
            switch phase {
            case .reading: self.read(carrier, now: now)
            case .upgraded(let kind): self.enter(carrier, kind, now: now)
            case .granted, .waiting, .joining, .joined: break
            }
            return true
        }
    }
}
