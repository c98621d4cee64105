// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// The reply table, row by row and dialect by dialect.
@Suite("JET relay replies")
struct RelayReplyTests {
    struct Row: Sendable {
        let name: String
        let status: Int
        /// Where the first relay differed.
        var status2018: Int?
        let request: @Sendable (inout RelayRig) throws -> JET.Request
    }

    static let rows: [Row] = [
        Row(name: "v1 accept", status: 200) { _ in .accept },
        Row(name: "accept of a version that does not exist", status: 400) { _ in .accept(.test(1), .test(2), version: 3)
        },
        Row(name: "connect of a version that does not exist", status: 400) { rig in
            .connect(try rig.accept().association, .zero, version: 3)
        },
        Row(name: "version zero", status: 400) { _ in .accept(.test(1), .test(2), version: 0) },
        Row(name: "v2 accept, unknown association", status: 400) { _ in .accept(.test(1), .test(2)) },
        Row(name: "v2 accept, association not v2", status: 400) { rig in
            .accept(try rig.accept().association, .zero)
        },
        Row(name: "v2 accept, candidate not TCP", status: 400) { rig in
            .accept(.test(0xA0), rig.gather(.test(0xA0), [.ws])[0])
        },
        Row(name: "v2 accept, unknown candidate", status: 404) { rig in
            _ = rig.gather(.test(0xA0))
            return .accept(.test(0xA0), .test(0xEE))
        },
        Row(name: "v2 accept", status: 200) { rig in .accept(.test(0xA0), rig.gather(.test(0xA0))[0]) },
        Row(name: "v2 accept, candidate over TLS", status: 200) { rig in
            .accept(.test(0xA0), rig.gather(.test(0xA0), [.tls])[0])
        },
        Row(name: "v2 accept again", status: 200) { rig in
            let candidate = rig.gather(.test(0xA0))[0]
            _ = try rig.acceptCalled(.test(0xA0), candidate)
            return .accept(.test(0xA0), candidate)
        },
        Row(name: "v2 accept, candidate connected", status: 400) { rig in
            .accept(.test(0xA0), try Self.connected(&rig))
        },
        Row(name: "v1 connect", status: 200) { rig in .connect(try rig.accept().association) },
        Row(name: "connect, unknown association", status: 404, status2018: 400) { _ in .connect(.test(9)) },
        Row(name: "connect, accepter left", status: 404, status2018: 400) { rig in
            let (carrier, association) = try rig.accept()
            _ = rig.leave(carrier)
            return .connect(association)
        },
        Row(name: "v2 connect, unknown candidate", status: 404) { rig in
            _ = rig.gather(.test(0xA0))
            return .connect(.test(0xA0), .test(0xEE))
        },
        Row(name: "connect, version mismatch", status: 400) { rig in .connect(try rig.accept().association, .zero) },
        Row(name: "v2 connect, candidate not yet accepted", status: 400) { rig in
            .connect(.test(0xA0), rig.gather(.test(0xA0))[0])
        },
        Row(name: "v1 connect, already taken", status: 400) { rig in
            let association = try rig.accept().association
            _ = try rig.ask(.connect(association))
            return .connect(association)
        },
        Row(name: "v2 connect, already taken", status: 400) { rig in .connect(.test(0xA0), try Self.connected(&rig)) },
        Row(name: "v2 connect, not TCP", status: 400) { rig in .connect(.test(0xA0), rig.gather(.test(0xA0), [.wss])[0])
        },
        Row(name: "v2 connect, session over", status: 404, status2018: 400) { rig in
            let candidate = try Self.connected(&rig)
            _ = rig.leave(try #require(rig.machine.carriers.keys.first))
            return .connect(.test(0xA0), candidate)
        },
        Row(name: "v2 connect", status: 200) { rig in
            let candidate = rig.gather(.test(0xA0))[0]
            _ = try rig.acceptCalled(.test(0xA0), candidate)
            return .connect(.test(0xA0), candidate)
        },
        Row(name: "test", status: 200) { _ in .test() },
    ]

    static func connected(_ rig: inout RelayRig) throws -> UUID {
        let candidate = rig.gather(.test(0xA0))[0]
        _ = try rig.acceptCalled(.test(0xA0), candidate)
        #expect(try rig.ask(.connect(.test(0xA0), candidate)).actions.statuses == [200])
        return candidate
    }

    @Test(arguments: JET.Dialect.allCases) func answersEveryRow(dialect: JET.Dialect) throws {
        for row in Self.rows {
            var rig = RelayRig { $0.dialect = dialect }
            let request = try row.request(&rig)
            let before = Set(rig.machine.associations.keys)
            let (carrier, actions) = try rig.ask(request)
            let made = rig.machine.associations.keys.first { !before.contains($0) }
            let status = dialect == .relay2018 ? row.status2018 ?? row.status : row.status
            let text = Self.text(dialect, status, request, made ?? request.association)
            #expect(actions.packets == [JET.Packet(flags: 0, mask: 0x73, payload: text)], "\(row.name)")
            guard status == 200, request.kind != .test else {
                #expect(actions.dropFirst() == [.close(carrier, status == 200 ? .finished : .denied)], "\(row.name)")
                continue
            }
            switch request.kind {
            case .accept: #expect(actions.contains(.park(carrier)), "\(row.name)")
            case .connect: #expect(actions.last == actions.pair.map { .pair($0) }, "\(row.name)")
            case .test: break
            }
        }
    }

    /// The words of the reference.
    static func text(_ dialect: JET.Dialect, _ status: Int, _ request: JET.Request, _ association: UUID) -> String {
        let reason = [200: "OK", 400: "Bad Request", 404: "Not Found"][status] ?? "?"
        let version = "Jet-Version: \(request.version)"
        let meeting = "Jet-Association: \(association.jetText)"
        let timeout = "Jet-Timeout: 300"
        let host = "Jet-Instance: relay.example"
        var lines: [String]
        switch dialect {
        case .plain: lines = [version, host, meeting, timeout]
        case .jetProto where request.kind == .accept && request.version == 1: lines = [version, host, meeting, timeout]
        case .document where request.kind == .accept: lines = [meeting, host + ":8443", version]
        case .relay2018 where request.kind == .accept && status == 200: lines = [version, meeting, timeout, host]
        case .jetProto, .document, .relay2018: lines = [version]
        }
        lines.insert("HTTP/1.1 \(status) \(reason)" + (dialect == .jetProto ? " \(status)" : ""), at: 0)
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    @Test func connectWithoutAssociationIsClosedWithoutReply() throws {
        var rig = RelayRig()
        let carrier = rig.arrive()
        let text = "GET / HTTP/1.1\r\nHost: h\r\nJet-Method: Connect\r\nJet-Version: 1\r\n\r\n"
        let actions = rig.receive(try ByteBuffer(jet: text), on: carrier)
        #expect(actions == [.close(carrier, .violation(WireError(.badValue, in: "Jet-Association")))])
    }

    @Test(
        arguments: [
            "HTTP/1.1 200 OK\r\nJet-Version: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nJet-Method: Wait\r\nJet-Version: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nJet-Method: Accept\r\nJet-Version: 1\r\n\r\n", "",
        ]
    ) func whatIsNoRequestIsClosedWithoutReply(text: String) throws {
        var rig = RelayRig()
        let carrier = rig.arrive()
        let actions = rig.receive(try ByteBuffer(jet: text), on: carrier)
        #expect(actions.count == 1)
        guard case .violation? = actions.reason(of: carrier) else { return #expect(Bool(false), "\(actions)") }
    }

    @Test(arguments: [nil, 0x00, 0x11] as [UInt8?]) func answersWithTheMaskOfTheRequest(fixed: UInt8?) throws {
        var rig = RelayRig { $0.mask = fixed }
        for mask in [0x00, 0x73, 0xFF] as [UInt8] {
            let carrier = rig.arrive()
            let actions = rig.receive(try ByteBuffer(jet: .accept, mask: mask), on: carrier)
            #expect(actions.packets.map(\.mask) == [fixed ?? mask])
        }
    }

    @Test(arguments: JET.Dialect.allCases) func onlyTheFirstRelayEchoesFlags(dialect: JET.Dialect) throws {
        var rig = RelayRig { $0.dialect = dialect }
        let carrier = rig.arrive()
        let actions = rig.receive(try ByteBuffer(jet: .accept, flags: 0x5A), on: carrier)
        #expect(actions.packets.map(\.flags) == [dialect == .relay2018 ? 0x5A : 0])
    }

    @Test(arguments: JET.Dialect.allCases) func theLongestReplyFitsIntoOneRead(dialect: JET.Dialect) throws {
        let names = [String(repeating: "a", count: 255), ""]
        for name in names {
            var rig = RelayRig {
                $0.dialect = dialect
                $0.instance = name
                $0.timeout = .seconds(.init(UInt32.max))
            }
            let request = JET.Request.accept(.test(1), .test(2), version: .max)
            for case .write(_, let bytes) in try rig.ask(request).actions + rig.ask(.accept).actions {
                #expect(bytes.readableBytes <= 1024)
            }
            #expect(try rig.ask(.accept).actions.packets[0].payload.contains("Jet-Instance: a") == !name.isEmpty)
        }
    }

    @Test func servesOnlyTheVersionsItShould() throws {
        var rig = RelayRig { $0.versions = [2, 3] }
        #expect(try rig.ask(.accept).actions.statuses == [400])
        #expect(try rig.ask(.connect(.test(1))).actions.statuses == [400])
        let candidate = rig.gather(.test(0xA0))[0]
        #expect(try rig.ask(.accept(.test(0xA0), candidate)).actions.statuses == [200])
        #expect(try rig.ask(.accept(.test(0xA0), candidate, version: 3)).actions.statuses == [400])
    }
}
