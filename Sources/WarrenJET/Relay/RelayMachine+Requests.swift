// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A request that is answered with a status other than 200.
struct Refusal: Error, Hashable {
    let status: Int

    static let badRequest = Refusal(status: 400)
    static let unknown = Refusal(status: 404)
    static let full = Refusal(status: 503)
}

/// Who asks, what, and how the packet was dressed.
private struct Question {
    let carrier: CarrierID
    let request: JET.Request
    let flags: UInt8
    let mask: UInt8
}

extension JET.RelayMachine {
    /// Reads the one packet of a carrier, if it is all there.
    mutating func read(_ carrier: CarrierID, now: NIODeadline) {
        do throws(WireError) {
            guard let packet = try self.carriers[carrier]?.input.readJETPacket() else { return }
            let request = try JET.Request(packet, self.configuration.decoding)
            let question = Question(carrier: carrier, request: request, flags: packet.flags, mask: packet.mask)
            do throws(Refusal) {
                try self.serve(question, now: now)
            } catch {
                self.answer(question, error.status, request.association)
                self.end(carrier, .denied)
            }
        } catch {
            self.end(carrier, .violation(error))
        }
    }

    private mutating func serve(_ question: Question, now: NIODeadline) throws(Refusal) {
        let request = question.request
        guard request.kind == .test || self.configuration.serves(request.version) else { throw .badRequest }
        switch request.kind {
        case .accept where request.version == JET.Version.one: try self.acceptNew(question, now: now)
        case .accept: try self.acceptCalled(question, now: now)
        case .connect: try self.connect(question)
        case .test:
            self.answer(question, 200, request.association)
            self.end(question.carrier, .finished)
        }
    }

    private mutating func acceptNew(_ question: Question, now: NIODeadline) throws(Refusal) {
        guard self.hasRoom(from: self.carriers[question.carrier]?.address) else { throw .full }
        let id = self.configuration.newID()
        guard self.associations[id] == nil else { throw .full }
        let serial = self.create(id, version: JET.Version.one, now: now)
        self.answer(question, 200, id)
        self.startWaiting(question.carrier, at: CandidateKey(association: id, serial: serial, row: 0), now: now)
    }

    private mutating func acceptCalled(_ question: Question, now: NIODeadline) throws(Refusal) {
        let request = question.request
        let place = try self.placeToAccept(request.association, request.candidate, byPacket: true)
        let older = self.candidate(at: place)?.state.waiting
        guard self.hasRoom(from: self.carriers[question.carrier]?.address, replacing: older) else { throw .full }
        self.answer(question, 200, request.association)
        self.replace(older, by: question.carrier, at: place, now: now)
    }

    private mutating func connect(_ question: Question) throws(Refusal) {
        let request = question.request
        let (place, back) = try self.partner(
            request.association, request.candidate, version: request.version, byPacket: true)
        self.answer(question, 200, request.association)
        self.join(question.carrier, back, at: place)
    }

    private mutating func answer(_ question: Question, _ status: Int, _ association: UUID) {
        let request = question.request
        let reply = JET.Reply(
            to: request.kind, version: request.version, status: status, association: association,
            timeout: self.configuration.timeoutSeconds, instance: self.configuration.instanceHeader)
        let dialect = self.configuration.dialect
        let packet = JET.Packet(
            flags: dialect == .relay2018 ? question.flags : 0, mask: self.configuration.mask ?? question.mask,
            payload: reply.text(dialect))
        var bytes = ByteBuffer()
        do throws(WireError) {
            try bytes.writeJETPacket(packet)
        } catch {
            // No reply is that long (see ``JET/Reply/text(_:)``); whoever would have got it is better let go than everybody.
            self.actions.append(.close(question.carrier, .violation(error)))
            return
        }
        self.actions.append(.write(question.carrier, bytes))
    }
}
