// SPDX-License-Identifier: Apache-2.0

import Crypto
public import NIOCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The calls that exist.
private enum Route {
    case health
    case list(isDetailed: Bool)
    case create(Substring)
    case gather(Substring)

    /// Nil for other paths.
    init?(_ path: JET.Path) {
        let named = path.named
        let name = named.dropFirst(2).first ?? ""
        switch (named.count, named.first, named.dropFirst().first, named.dropFirst(3).first) {
        case _ where path.asksHealth: self = .health
        case (2, "jet", "association", _): self = .list(isDetailed: path.query.contains("detail=true"))
        case (3, "jet", "association", _): self = .create(name)
        case (3, "jet", "gather", _), (4, "jet", "association", "candidates"): self = .gather(name)
        default: return nil
        }
    }

    var method: String {
        switch self {
        case .health, .list: "GET"
        case .create, .gather: "POST"
        }
    }
}

extension JET.RelayMachine {
    /// Answers an HTTP request. Two calls make associations of version 2, the others ask.
    ///
    /// | call | answer |
    /// |---|---|
    /// | `POST /jet/association/A` | 200 there is one; 400 no UUID, 404 version 2 is not served, 409 of version 1, 503 full |
    /// | `POST /jet/association/A/candidates`, `POST /jet/gather/A` | the same, with a new candidate for each endpoint; 400 past 16 |
    /// | `GET /jet/association[?detail=true]` | the list; 403 from afar if there is no token |
    /// | `GET /health`, `GET /jet/health` | 200, always |
    ///
    /// 401 without the token, where there is one; 404 for other paths, 405 for other methods.
    public mutating func call(_ call: JET.Call, now: NIODeadline) -> JET.Answer {
        let route = Route(JET.Path(call.path))
        if case .health? = route, call.method == "GET" { return self.health }
        guard self.isAuthorized(call) else { return .text(401, "A token is required.") }
        guard let route else { return .text(404, "No such path.") }
        guard call.method == route.method else { return .text(405, "The method is \(route.method).") }
        do throws(Refusal) {
            switch route {
            case .health: return self.health
            case .list(let isDetailed):
                guard call.isLocal || self.configuration.token != nil else { throw Refusal(status: 403) }
                return self.json(self.list(isDetailed: isDetailed, now: now))
            case .create(let name):
                _ = try self.called(name, now: now)
                return .text(200, "")
            case .gather(let name):
                return self.json(try self.gather(try self.called(name, now: now)))
            }
        } catch {
            return .text(error.status, JET.Reply.reason(error.status))
        }
    }

    private var health: JET.Answer {
        let host = InstanceName(self.configuration.instance).host
        return .text(200, "Jet instance \"\(host)\" is alive and healthy.")
    }

    /// Compares digests, which takes the same time wherever they differ.
    private func isAuthorized(_ call: JET.Call) -> Bool {
        guard let token = self.configuration.token else { return true }
        let pieces = (call.authorization ?? "").split(separator: " ", maxSplits: 1)
        guard pieces.count == 2, pieces[0].lowercased() == "bearer" else { return false }
        return SHA256.hash(data: Array(pieces[1].utf8)) == SHA256.hash(data: token)
    }

    /// The association of this name, made if there is none.
    private mutating func called(_ name: Substring, now: NIODeadline) throws(Refusal) -> UUID {
        guard let id = UUID(jet: name.utf8, self.configuration.decoding) else { throw .badRequest }
        guard self.configuration.serves(JET.Version.two) else { throw .unknown }
        if let association = self.associations[id] {
            guard association.version == JET.Version.two else { throw Refusal(status: 409) }
            return id
        }
        guard self.hasRoom(from: nil) else { throw .full }
        _ = self.create(id, version: JET.Version.two, now: now)
        return id
    }

    /// Adds a candidate for each endpoint.
    private mutating func gather(_ id: UUID) throws(Refusal) -> GatheredCandidates {
        let count = self.associations[id]?.candidates.count ?? 0
        guard count + self.endpoints.count <= Association.mostCandidates else { throw .badRequest }
        var added: [GatheredCandidates.Candidate] = []
        for endpoint in self.endpoints {
            let url = endpoint.url(of: self.configuration.instance, isOnly: self.endpoints.count == 1)
            let candidate = Candidate(id: self.configuration.newID(), endpoint: endpoint, url: url)
            self.associations[id]?.candidates.append(candidate)
            added.append(GatheredCandidates.Candidate(id: candidate.id.jetText, url: url))
        }
        return GatheredCandidates(id: id.jetText, candidates: added)
    }

    private func list(isDetailed: Bool, now: NIODeadline) -> [ListedAssociation] {
        let wallClock = self.configuration.wallClock()
        return self.associations.map { id, association in
            let age = (now - association.created).nanoseconds / 1_000_000_000
            let candidates = association.candidates.map { candidate in
                ListedAssociation.Candidate(
                    id: candidate.id.jetText, url: candidate.url, state: candidate.state.listed,
                    associationID: id.jetText, transportType: (candidate.endpoint?.scheme ?? .tcp).listed)
            }
            return ListedAssociation(
                id: id.jetText, version: association.version, creationTimestamp: wallClock - Int(age),
                bytesSent: isDetailed ? 0 : nil, bytesRecv: isDetailed ? 0 : nil,
                candidates: isDetailed ? candidates : nil)
        }
    }

    private func json(_ value: some Encodable) -> JET.Answer {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let body = try? encoder.encode(value) else { return .text(500, "Internal Server Error") }
        return JET.Answer(status: 200, contentType: "application/json", body: String(decoding: body, as: UTF8.self))
    }
}
