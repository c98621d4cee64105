// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenJET
import WarrenRuntime

/// What an entry says of the place where two peers meet: version, association, candidate.
struct AssociationKeys: Sendable {
    let version: UInt32
    /// Nil where the relay names it (accepting in version 1), or a file does.
    let association: UUID?
    let candidate: UUID?
    /// How often a WebSocket is kept alive.
    let ping: TimeAmount

    func naming(_ association: UUID) -> AssociationKeys {
        AssociationKeys(
            version: self.version, association: association, candidate: self.candidate, ping: self.ping
        )
    }

    /// What the machine of a client needs to speak over a carrier.
    func client(for carrier: CarrierDraft, _ limits: Configuration.Limits) -> JET.ClientConfiguration {
        JET.ClientConfiguration(
            host: "\(carrier.target.host)", version: self.version, association: self.association ?? .zero,
            candidate: self.candidate ?? .zero, handshake: limits.handshake, isBare: carrier.scheme.isWebSocket
        )
    }

    /// Nil for a carrier that is no WebSocket.
    func webSocketPath(_ kind: JET.Request.Kind, over carrier: CarrierDraft) -> String? {
        guard carrier.scheme.isWebSocket, let association, let candidate else { return nil }
        let (one, two) = (association.uuidString.lowercased(), candidate.uuidString.lowercased())
        return "/jet/\(kind.rawValue)/\(one)/\(two)"
    }
}

extension Section {
    /// - Parameter isElsewhere: the association comes from a file.
    /// - Returns: nil after a report.
    func association(
        for carriers: [CarrierDraft], isAccepter: Bool, isElsewhere: Bool = false
    ) -> AssociationKeys? {
        let association = self.optional("association", .uuid)
        let candidate = self.optional("candidate", .uuid)
        let version = self.value("version", .int(in: 1...2), default: self.contains("candidate") ? 2 : 1)
        let ping = self.ping()
        let before = self.findings.count
        if isElsewhere && self.contains("association") {
            self.report("the association is given twice", at: "association", hint: "keep it or associationFile")
        }
        if !isElsewhere && !self.contains("association") && !(isAccepter && version == 1) {
            self.missing("association", expected: "the UUID under which the two meet")
        }
        if isAccepter && version == 1 && self.contains("association") {
            let hint = "leave it out, or give a candidate for version 2"
            self.report("in version 1 the relay names the association", at: "association", hint: hint)
        }
        if version == 2 && !self.contains("candidate") {
            self.missing("candidate", expected: "the UUID of a candidate of the association; version 2 needs one")
        }
        if version == 1, let carrier = carriers.first(where: \.scheme.isWebSocket) {
            let hint = "give association and candidate"
            self.report("\(carrier) is a WebSocket, which only version 2 knows", at: "relay", hint: hint)
        }
        guard self.findings.count == before, self.contains("association") == (association != nil),
            self.contains("candidate") == (candidate != nil)
        else { return nil }
        return AssociationKeys(
            version: UInt32(version), association: association, candidate: candidate, ping: ping
        )
    }

    /// How often a WebSocket is kept alive.
    func ping() -> TimeAmount {
        let ping = self.value("ping", .duration, default: WebSocketClient.usualPing)
        if ping < TimeAmount.seconds(1) || ping > TimeAmount.hours(1) {
            self.report("a ping is due every second at most, and every hour at least", at: "ping", hint: "write 15s")
        }
        return ping
    }
}

extension ValueKind where Value == UUID {
    fileprivate static var uuid: Self {
        .scalar("a UUID such as e6ec698c-5793-4c63-af79-bd644ccf022f") { text throws(Refusal) in
            guard let id = UUID(uuidString: text) else {
                throw Refusal("is not a UUID", hint: "copy what the accepter printed, all 36 characters")
            }
            return id
        }
    }
}
