// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension JET.RelayMachine {
    /// A carrier asks to become a WebSocket. This stands for ``arrive(_:from:now:)``, and may also follow it; it is asked
    /// before the 101 is written, and ``upgraded(_:)`` follows when that is out.
    ///
    /// | path, in any case and with any query | answers |
    /// |---|---|
    /// | `/jet/accept/A/C` | 403 if nobody may wait there, 503 if too many wait |
    /// | `/jet/connect/A/C` | 400 if nobody waits there |
    /// | `/jet/test/A/C` | 404 if there is no such candidate, 400 if it is none |
    /// | others | 404 |
    ///
    /// - Returns: nil if granted; otherwise the status to answer with, and the machine has forgotten the carrier.
    public mutating func upgrade(
        _ carrier: CarrierID, path: String, from address: IPAddress?, now: NIODeadline
    ) -> Int? {
        self.arrive(carrier, from: address, now: now)
        guard self.carriers[carrier]?.phase == .reading else { return Refusal.badRequest.status }
        do throws(Refusal) {
            try self.grant(carrier, path)
            return nil
        } catch {
            self.move(carrier, to: nil)
            return error.status
        }
    }

    /// The 101 is out: the carrier is bytes from here on.
    ///
    /// - Returns: false if it took too long for that, and is not known any more.
    @discardableResult public mutating func upgraded(_ carrier: CarrierID) -> Bool {
        guard case .granted(let kind)? = self.carriers[carrier]?.phase else { return self.carriers[carrier] != nil }
        self.move(carrier, to: .upgraded(kind))
        self.enqueue(carrier)
        return true
    }

    private mutating func grant(_ carrier: CarrierID, _ path: String) throws(Refusal) {
        let (kind, names) = try self.target(of: path)
        switch kind {
        case .accept:
            guard let names, self.configuration.serves(JET.Version.two) else { throw .forbidden }
            try self.grantAccept(carrier, names)
        case .connect:
            guard let names, self.configuration.serves(JET.Version.two) else { throw .badRequest }
            try self.grantConnect(carrier, names)
        case .test:
            guard let names else { throw .badRequest }
            let candidates = self.associations[names.association]?.candidates ?? []
            guard candidates.contains(where: { $0.id == names.candidate }) else { throw .unknown }
            self.move(carrier, to: .granted(.test))
        }
    }

    private mutating func grantAccept(_ carrier: CarrierID, _ names: Names) throws(Refusal) {
        let place: CandidateKey
        do throws(Refusal) {
            place = try self.placeToAccept(names.association, names.candidate, byPacket: false)
        } catch {
            throw .forbidden
        }
        // One that waits there keeps its place until the upgrade is out, so both count.
        guard self.hasRoom(from: self.carriers[carrier]?.address) else { throw .full }
        self.carriers[carrier]?.place = place
        self.move(carrier, to: .granted(.accept))
    }

    private mutating func grantConnect(_ carrier: CarrierID, _ names: Names) throws(Refusal) {
        do throws(Refusal) {
            let (place, back) = try self.partner(
                names.association, names.candidate, version: JET.Version.two, byPacket: false)
            self.setState(.claimed(front: carrier, back: back), at: place)
            self.carriers[carrier]?.place = place
            self.move(carrier, to: .granted(.connect))
        } catch {
            throw .badRequest
        }
    }

    /// Does what was granted; things may have changed since.
    mutating func enter(_ carrier: CarrierID, _ kind: JET.Request.Kind, now: NIODeadline) {
        guard let place = self.carriers[carrier]?.place, let state = self.candidate(at: place)?.state else {
            return self.end(carrier, kind == .test ? .finished : .carrierLost("the association is gone"))
        }
        switch (kind, state) {
        case (.accept, .initial), (.accept, .accepted), (.accept, .final):
            self.replace(state.waiting, by: carrier, at: place, now: now)
        case (.connect, .claimed(carrier, let back)):
            self.join(carrier, back, at: place)
        case (.accept, _), (.connect, _), (.test, _):
            self.end(carrier, .carrierLost("the place was taken or left"))
        }
    }
}

// MARK: - Paths

/// The two identifiers in a path.
private struct Names {
    let association: UUID
    let candidate: UUID
}

extension JET.RelayMachine {
    /// - Returns: no names where they are malformed.
    private func target(of text: String) throws(Refusal) -> (kind: JET.Request.Kind, names: Names?) {
        let path = JET.Path(text)
        guard let kind = path.kind else { throw .unknown }
        let (decoding, names) = (self.configuration.decoding, path.segments.dropFirst(2))
        guard names.count == 2 || names.count > 2 && decoding == .lenient,
            let first = names.first, let second = names.dropFirst().first,
            let association = UUID(jet: first.utf8, decoding), let candidate = UUID(jet: second.utf8, decoding)
        else { return (kind, nil) }
        return (kind, Names(association: association, candidate: candidate))
    }
}

extension Refusal {
    fileprivate static let forbidden = Refusal(status: 403)
}
