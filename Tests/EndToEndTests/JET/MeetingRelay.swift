// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenTesting

/// A real relay process, and peers that speak its packets by hand.
struct MeetingRelay: Sendable {
    let process: WarrenProcess
    private let folder: Folder

    /// - Parameter keys: further keys of the relay: `timeout: 1s, dialect: document`.
    static func start(
        _ keys: String = "", listen: String = "\"127.0.0.1:0\"", instance: String = "relay.test"
    ) async throws -> MeetingRelay {
        let folder = try Folder()
        let more = keys.isEmpty ? "" : ", \(keys)"
        let yaml = """
            log: { level: debug }
            relays: [{ name: meet, type: jet, listen: \(listen), instance: \(instance)\(more) }]
            """
        return MeetingRelay(process: try await WarrenProcess.start(yaml: yaml, in: folder), folder: folder)
    }

    var port: Int { get throws { try self.process.port("meet") } }

    func connect() async throws -> Wire { try await Wire.connect(to: self.process.address("meet")) }

    func stop() async { await self.process.stop() }
}

// MARK: - Packets

/// The frame of the protocol, made and read without the library under test.
enum JETPacket {
    static func make(_ lines: [String], mask: UInt8 = 0x73) -> ByteBuffer {
        let text = (lines + ["", ""]).joined(separator: "\r\n")
        var packet = ByteBuffer(bytes: [0x4A, 0x45, 0x54, 0])
        packet.writeInteger(UInt16(8 + text.utf8.count))
        packet.writeBytes([0, mask])
        packet.writeBytes(text.utf8.map { $0 ^ mask })
        return packet
    }

    static func accept(mask: UInt8 = 0x73) -> ByteBuffer {
        Self.make(
            ["GET / HTTP/1.1", "Host: relay", "Connection: Keep-Alive", "Jet-Method: Accept", "Jet-Version: 1"],
            mask: mask
        )
    }

    static func connect(_ association: String, mask: UInt8 = 0x73) -> ByteBuffer {
        Self.make(
            [
                "GET / HTTP/1.1", "Host: relay", "Connection: Keep-Alive", "Jet-Method: Connect",
                "Jet-Association: \(association)", "Jet-Version: 1",
            ],
            mask: mask
        )
    }

    static func second(_ word: String, _ association: String, _ candidate: String) -> ByteBuffer {
        Self.make([
            "GET /jet/\(word)/\(association)/\(candidate) HTTP/1.1", "Host: jetsocat", "Connection: Keep-Alive",
            "Jet-Version: 2",
        ])
    }

    static func anybody() -> String { UUID().uuidString.lowercased() }
}

/// A relay's answer as it came.
struct JETReply: Sendable {
    let first: String
    let headers: [String: String]
    let mask: UInt8
    let length: Int
    var status: Int { Int(self.first.split(separator: " ").dropFirst().first ?? "") ?? 0 }
    var association: String { self.headers["jet-association"] ?? "" }
}

extension Wire {
    /// Takes exactly one packet; what follows it stays.
    func reply() async throws -> JETReply {
        let head = try await self.read(8)
        guard let size = head.getInteger(at: 4, as: UInt16.self), let mask = head.getInteger(at: 7, as: UInt8.self),
            head.getBytes(at: 0, length: 4) == [0x4A, 0x45, 0x54, 0], size >= 8
        else { throw HarnessError(description: "no packet: \(head.hex)") }
        let body = try await self.read(Int(size) - 8)
        let text = String(decoding: body.readableBytesView.map { $0 ^ mask }, as: UTF8.self)
        let lines = text.components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        return JETReply(first: lines[0], headers: headers, mask: mask, length: Int(size))
    }

    func send(_ text: String) async throws { try await self.send(ByteBuffer(string: text)) }

    func text(_ count: Int) async throws -> String { String(buffer: try await self.read(count)) }
}

// MARK: - Peers

extension MeetingRelay {
    /// Somebody who waits, and the association under which he does.
    func accepter(early: String = "") async throws -> (wire: Wire, association: String) {
        let wire = try await self.connect()
        var bytes = JETPacket.accept()
        bytes.writeString(early)
        try await wire.send(bytes)
        let reply = try await wire.reply()
        guard reply.status == 200 else { throw HarnessError(description: "the relay answered \(reply.first)") }
        return (wire, reply.association)
    }

    /// Two who have met.
    func pair() async throws -> (accepter: Wire, connecter: Wire, association: String) {
        let (accepter, association) = try await self.accepter()
        let connecter = try await self.connect()
        try await connecter.send(JETPacket.connect(association))
        let reply = try await connecter.reply()
        guard reply.status == 200 else { throw HarnessError(description: "the relay answered \(reply.first)") }
        return (accepter, connecter, association)
    }

    /// What a request is answered with, and how the connection ends after it.
    func ask(_ request: ByteBuffer) async throws -> (reply: JETReply, rest: ByteBuffer, end: Wire.End) {
        let wire = try await self.connect()
        try await wire.send(request)
        let reply = try await wire.reply()
        let (rest, end) = try await wire.readToEnd()
        return (reply, rest, end)
    }

    /// An HTTP call, its status and body.
    func call(
        _ line: String, port: String = "meet", token: String? = nil
    ) async throws -> (status: Int, body: String) {
        let wire = try await Wire.connect(to: self.process.address(port))
        let login = token.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        try await wire.send("\(line) HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\(login)\r\n")
        let text = String(buffer: try await wire.readToEnd().bytes)
        let status = Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0
        return (status, text.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n"))
    }

    /// A version 2 association with its candidates, as the relay gathers them.
    func gather() async throws -> (association: String, candidates: [(id: String, url: String)]) {
        let association = JETPacket.anybody()
        let answer = try await self.call("POST /jet/association/\(association)/candidates")
        struct Gathered: Decodable {
            struct Candidate: Decodable {
                let id: String
                let url: String
            }
            let id: String
            let candidates: [Candidate]
        }
        let gathered = try JSONDecoder().decode(Gathered.self, from: Data(answer.body.utf8))
        return (gathered.id, gathered.candidates.map { ($0.id, $0.url) })
    }
}
