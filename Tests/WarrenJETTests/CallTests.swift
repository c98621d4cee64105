// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// The side entrance over HTTP.
@Suite("JET relay calls")
struct CallTests {
    struct Gathered: Decodable, Equatable {
        struct Candidate: Decodable, Equatable {
            let id: String
            let url: String
        }
        let id: String
        let candidates: [Candidate]
    }

    struct Listed: Decodable, Equatable {
        struct Candidate: Decodable, Equatable {
            let id: String
            let url: String?
            let state: String
            let associationId: String
            let transportType: String
        }
        let id: String
        let version: Int
        let creationTimestamp: Int
        let bytesSent: Int?
        let bytesRecv: Int?
        let candidates: [Candidate]?
    }

    static let association = UUID.test(0xA0).jetText

    static func decode<Value: Decodable>(_ answer: JET.Answer, as type: Value.Type = Value.self) throws -> Value {
        #expect(answer.status == 200 && answer.contentType == "application/json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(answer.body.utf8))
    }

    static func listen(_ rig: inout RelayRig, _ schemes: [JET.Endpoint.Scheme]) {
        rig.machine.listens(
            at: schemes.enumerated().map { index, scheme in
                JET.Endpoint(scheme: scheme, host: "0.0.0.0", port: UInt16(8080 + index))
            })
    }

    @Test func createsAnAssociationOnce() {
        var rig = RelayRig()
        for _ in 0..<2 {
            let answer = rig.call("POST", "/jet/association/\(Self.association)", isLocal: false)
            #expect(answer == JET.Answer(status: 200, contentType: "text/plain", body: ""))
        }
        #expect(rig.machine.associations.count == 1 && rig.machine.called == 1)
        #expect(rig.machine.deadline == rig.now + .seconds(300))
    }

    @Test func refusesWhatCannotBeCreated() throws {
        var rig = RelayRig()
        let other = try rig.accept().association.jetText
        for path in ["/jet/association/x", "/jet/association/x/candidates", "/jet/gather/x"] {
            #expect(rig.call("POST", path).status == 400, "\(path)")
        }
        for path in ["/jet/association/\(other)", "/jet/association/\(other)/candidates", "/jet/gather/\(other)"] {
            #expect(rig.call("POST", path).status == 409, "\(path)")
        }
        #expect(rig.machine.associations.count == 1)
        var first = RelayRig { $0.versions = [1] }
        #expect(first.call("POST", "/jet/association/\(Self.association)").status == 404)
    }

    @Test("gathers a candidate for each endpoint", arguments: ["/jet/association/A/candidates", "/jet/gather/A?x=1"])
    func gathers(path: String) throws {
        var rig = RelayRig()
        Self.listen(&rig, JET.Endpoint.Scheme.allCases)
        let path = path.replacing("A", with: Self.association)
        let gathered = try Self.decode(rig.call("POST", path, isLocal: false), as: Gathered.self)
        let urls = [
            "tcp://relay.example:8080", "tls://relay.example:8081", "ws://relay.example:8082/",
            "wss://relay.example:8083/",
        ]
        #expect(gathered.id == Self.association)
        #expect(gathered.candidates.map(\.url) == urls)
        #expect(gathered.candidates.map(\.id) == (1...4).map { UUID.test($0).jetText })
        #expect(rig.machine.associations[.test(0xA0)]?.candidates.map(\.id) == (1...4).map { .test($0) })
    }

    @Test(
        "names itself",
        arguments: [
            ("relay.example", "ws://relay.example:8080/"), ("relay.example:443", "ws://relay.example:443/"),
            ("2001:db8::1", "ws://[2001:db8::1]:8080/"), ("[2001:db8::1]", "ws://[2001:db8::1]:8080/"),
            ("[2001:db8::1]:443", "ws://[2001:db8::1]:443/"), ("", "ws://0.0.0.0:8080/"),
        ])
    func namesItself(instance: String, url: String) throws {
        var rig = RelayRig { $0.instance = instance }
        Self.listen(&rig, [.ws])
        let gathered = try Self.decode(rig.call("POST", "/jet/gather/\(Self.association)"), as: Gathered.self)
        #expect(gathered.candidates.map(\.url) == [url])
    }

    @Test func addsNoMoreThanSixteenCandidates() throws {
        var rig = RelayRig()
        Self.listen(&rig, [.tcp, .ws, .wss])
        let path = "/jet/association/\(Self.association)/candidates"
        for count in 1...5 {
            #expect(rig.call("POST", path).status == 200)
            #expect(rig.machine.associations[.test(0xA0)]?.candidates.count == 3 * count)
        }
        #expect(rig.call("POST", path).status == 400)
        #expect(rig.machine.associations[.test(0xA0)]?.candidates.count == 15)
        Self.listen(&rig, Array(repeating: .tcp, count: 40))
        let gathered = try Self.decode(rig.call("POST", "/jet/gather/\(UUID.test(0xB0).jetText)"), as: Gathered.self)
        #expect(gathered.candidates.count == 16)
    }

    @Test func listsAssociations() throws {
        var rig = RelayRig()
        Self.listen(&rig, [.tcp, .wss])
        let gathered = try Self.decode(rig.call("POST", "/jet/gather/\(Self.association)"), as: Gathered.self)
        _ = try rig.acceptCalled(.test(0xA0), .test(1))
        _ = rig.advance(.seconds(100))
        let other = try rig.accept().association
        let short = try Self.decode(rig.call("GET", "/jet/association"), as: [Listed].self)
        #expect(Set(short.map(\.id)) == [Self.association, other.jetText])
        #expect(short.allSatisfy { $0.bytesSent == nil && $0.bytesRecv == nil && $0.candidates == nil })
        let list = try Self.decode(rig.call("GET", "/jet/association?detail=true"), as: [Listed].self)
        let detailed = try #require(list.first { $0.id == Self.association })
        let expected = Listed(
            id: Self.association, version: 2, creationTimestamp: 1_700_000_000 - 100, bytesSent: 0, bytesRecv: 0,
            candidates: [
                .init(
                    id: gathered.candidates[0].id, url: "tcp://relay.example:8080", state: "Accepted",
                    associationId: Self.association, transportType: "Tcp"),
                .init(
                    id: gathered.candidates[1].id, url: "wss://relay.example:8081/", state: "Initial",
                    associationId: Self.association, transportType: "Wss"),
            ])
        #expect(detailed == expected)
        let first = try #require(list.first { $0.id == other.jetText })
        #expect(first.version == 1 && first.creationTimestamp == 1_700_000_000)
        #expect(first.candidates?.map(\.state) == ["Accepted"] && first.candidates?[0].url == nil)
    }

    @Test func listsEveryState() throws {
        var rig = RelayRig()
        func state() throws -> [String] {
            let answer = rig.call("GET", "/jet/association?detail=true")
            return try Self.decode(answer, as: [Listed].self).flatMap { $0.candidates ?? [] }.map(\.state)
        }
        let candidate = rig.gather()[0]
        #expect(try state() == ["Initial"])
        _ = try rig.acceptCalled(.test(0xA0), candidate)
        #expect(try state() == ["Accepted"])
        let (front, _) = try rig.ask(.connect(.test(0xA0), candidate))
        #expect(try state() == ["Connected"])
        _ = rig.leave(front)
        #expect(try state() == ["Final"])
        _ = rig.advance(.seconds(300))
        #expect(try state() == [])
    }

    @Test func theListIsForThisMachineUnlessThereIsAToken() {
        var rig = RelayRig()
        #expect(rig.call("GET", "/jet/association", isLocal: false).status == 403)
        #expect(rig.call("GET", "/jet/association", isLocal: true).status == 200)
        var guarded = RelayRig { $0.token = Array("secret".utf8) }
        #expect(
            guarded.call("GET", "/jet/association", authorization: "Bearer secret", isLocal: false).status == 200)
        #expect(guarded.call("GET", "/jet/association", isLocal: true).status == 401)
    }

    @Test func wantsTheToken() {
        var rig = RelayRig { $0.token = Array("secret".utf8) }
        let path = "/jet/association/\(Self.association)"
        let wrong = [
            nil, "", "secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "Basic secret", "Bearer a b",
        ]
        for authorization in wrong {
            #expect(rig.call("POST", path, authorization: authorization).status == 401, "\(authorization ?? "none")")
            #expect(rig.call("GET", "/nothing", authorization: authorization).status == 401)
        }
        #expect(rig.machine.isEmpty)
        #expect(rig.call("POST", path, authorization: "Bearer secret").status == 200)
        #expect(rig.call("POST", path, authorization: "bearer secret").status == 200)
    }

    @Test("is healthy for everybody", arguments: ["/health", "/jet/health", "/health?verbose"])
    func health(path: String) {
        var rig = RelayRig { $0.token = Array("secret".utf8) }
        let body = "Jet instance \"relay.example\" is alive and healthy."
        let answer = rig.call("GET", path, isLocal: false)
        #expect(answer == JET.Answer(status: 200, contentType: "text/plain", body: body))
    }

    @Test func refusesOtherPathsAndMethods() {
        var rig = RelayRig()
        let unknown = [
            "/", "", "?", "/jet", "/jet/x", "/jet/association/a/b", "/jet/association/a/candidates/b", "/healthy",
        ]
        for path in unknown { #expect(rig.call("GET", path).status == 404, "\(path)") }
        let wrong = [
            ("POST", "/health"), ("POST", "/jet/association"), ("GET", "/jet/association/\(Self.association)"),
            ("DELETE", "/jet/association/\(Self.association)"), ("GET", "/jet/gather/\(Self.association)"),
            ("PUT", "/jet/association/\(Self.association)/candidates"),
        ]
        for (method, path) in wrong { #expect(rig.call(method, path).status == 405, "\(method) \(path)") }
        #expect(rig.machine.isEmpty)
    }
}
