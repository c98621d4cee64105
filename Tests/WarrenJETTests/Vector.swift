// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenCore
import WarrenTesting

@testable import WarrenJET

/// A packet with the verdict of the deployed codec.
struct Vector: Decodable, Sendable, CustomTestStringConvertible {
    struct Verdict: Decodable, Hashable, Sendable {
        var verdict: String
        var error: String?
        var kind: String?
        var status: Int?
        var version: UInt32?
        var host: String?
        var association: String?
        var candidate: String?
        var timeout: UInt32?
        var instance: String?
        var httpComplete: Bool?
        var consumed: Int?
    }

    private struct File: Decodable {
        var vectors: [Vector]
    }

    var id: String
    var decodeAs: String
    var hex: String
    var head: Verdict

    var testDescription: String { self.id }
    var bytes: ByteBuffer { ByteBuffer(hex: self.hex) }
    var isOK: Bool { self.head.verdict == "ok" }

    static func all() throws -> [Vector] { try Fixture.load("jet_vectors", as: File.self).vectors }

    static func named(_ id: String) throws -> Vector {
        let found = try Self.all().first { $0.id == id }
        return try #require(found)
    }

    /// What the decoder under test says, in the words of the vectors; nil while it wants more.
    func verdict(_ bytes: inout ByteBuffer, _ decoding: JET.Decoding = .lenient) -> Verdict? {
        do throws(WireError) {
            let before = bytes.readableBytes
            guard let packet = try bytes.readJETPacket() else { return nil }
            var verdict = try self.decode(packet, decoding)
            verdict.consumed = before - bytes.readableBytes
            return verdict
        } catch {
            return Verdict(verdict: "error", error: Self.kind(of: error))
        }
    }

    private static func kind(of error: WireError) -> String {
        switch (error.code, error.field) {
        case (.badMagic, "packet.signature"): "Signature"
        case (.tooShort, "packet.size"): "Size"
        case (.badValue, "packet.payload"): "Utf8"
        default: "Invalid"
        }
    }

    private func decode(_ packet: JET.Packet, _ decoding: JET.Decoding) throws(WireError) -> Verdict {
        switch self.decodeAs {
        case "accept_response": Self.verdict(of: try JET.Reply(packet, to: .accept, decoding))
        case "connect_response": Self.verdict(of: try JET.Reply(packet, to: .connect, decoding))
        default: Self.verdict(of: try JET.Request(packet, decoding))
        }
    }

    private static func verdict(of request: JET.Request) -> Verdict {
        Verdict(
            verdict: "ok", kind: "\(request.kind)Req", version: request.version, host: request.host,
            association: request.association.jetText, candidate: request.candidate.jetText)
    }

    private static func verdict(of reply: JET.Reply) -> Verdict {
        var verdict = Verdict(verdict: "ok", kind: "\(reply.kind)Rsp", status: reply.status, version: reply.version)
        guard reply.kind == .accept else { return verdict }
        // the deployed codec has no nil
        verdict.association = (reply.association ?? .zero).jetText
        verdict.timeout = reply.timeout ?? 0
        verdict.instance = reply.instance ?? ""
        return verdict
    }
}
