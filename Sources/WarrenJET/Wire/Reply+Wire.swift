// SPDX-License-Identifier: Apache-2.0

import WarrenCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension JET.Reply {
    /// Reads the text of a reply. A reply to accept or connect is of version 1 or 2, one to test of version 2.
    ///
    /// Only the reply to accept in version 1 has more than a status and a version: with status 200 it must have an
    /// association, and with strict decoding an instance. In other replies, headers of these names are ignored.
    ///
    /// - Parameter kind: of the request that was sent.
    /// - Throws: ``WireError`` with the part of the head, or the header, that is wrong.
    /// - Source: JET-PROTO 2.2.2, the deployed codec. Differs: that one rejects the document's own example, which has no
    ///   `Jet-Timeout`; here a timeout, an instance, and the association of a refusal may be missing.
    init(_ packet: JET.Packet, to kind: JET.Request.Kind, _ decoding: JET.Decoding) throws(WireError) {
        let head = try JET.Head(packet, decoding)
        let status = try head.status(decoding)
        let version = try head.version(decoding)
        let known = kind == .test ? [JET.Version.two] : [JET.Version.one, JET.Version.two]
        guard known.contains(version) else { throw WireError(.badValue, in: "Jet-Version", found: "\(version)") }
        self.init(to: kind, version: version, status: status)
        guard kind == .accept, version == JET.Version.one else { return }
        self.association = try head.uuid("Jet-Association", decoding)
        self.timeout = try head.number("Jet-Timeout", decoding)
        self.instance = head["Jet-Instance"].map { String(Substring($0)) }
        guard status == 200 else { return }
        guard self.association != nil else { throw WireError(.badValue, in: "Jet-Association", found: "nothing") }
        guard self.instance != nil || decoding == .lenient else {
            throw WireError(.badValue, in: "Jet-Instance", found: "nothing")
        }
    }

    /// The text of a packet's payload.
    ///
    /// The instance stands in it as it is; with 255 bytes of it no text is longer than 1016 bytes, so that the packet fits
    /// into the one read of 1024 bytes that deployed clients do.
    func text(_ dialect: JET.Dialect) -> String {
        let reason = Self.reason(self.status)
        var lines = ["HTTP/1.1 \(self.status) \(reason)"]
        if dialect == .jetProto { lines[0] += reason.isEmpty ? "\(self.status)" : " \(self.status)" }
        let fields = self.fields(dialect)
        lines += fields.compactMap { name, value in value.map { "\(name): \($0)" } }
        return lines.map { $0 + "\r\n" }.joined() + "\r\n"
    }

    private typealias Field = (name: String, value: String?)

    private func fields(_ dialect: JET.Dialect) -> [Field] {
        let version: Field = ("Jet-Version", "\(self.version)")
        let instance: Field = ("Jet-Instance", self.instance)
        let association: Field = ("Jet-Association", self.association?.jetText)
        let timeout: Field = ("Jet-Timeout", self.timeout.map { "\($0)" })
        switch dialect {
        case .plain:
            return [version, instance, association, timeout]
        case .jetProto where self.kind == .accept && self.version == JET.Version.one:
            // its readers want all four, whatever the status
            return [
                version, ("Jet-Instance", self.instance ?? ""),
                ("Jet-Association", (self.association ?? .zero).jetText), ("Jet-Timeout", "\(self.timeout ?? 0)"),
            ]
        case .relay2018 where self.kind == .accept && self.status == 200:
            return [version, association, timeout, instance]
        case .document where self.kind == .accept:
            return [association, instance, version]
        case .jetProto, .relay2018, .document:
            return [version]
        }
    }
}
