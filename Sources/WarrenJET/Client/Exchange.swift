// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The one request and reply with which a client's carrier begins.
struct Exchange {
    let configuration: JET.ClientConfiguration
    let kind: JET.Request.Kind
    /// What the relay has sent; behind the reply it is payload.
    var input = ByteBuffer()

    init(_ kind: JET.Request.Kind, _ configuration: JET.ClientConfiguration) {
        self.kind = kind
        self.configuration = configuration
    }

    /// - Throws: ``WireError`` if the host's name does not fit into a packet.
    func request() throws(WireError) -> ByteBuffer {
        let configuration = self.configuration
        let request = JET.Request(
            self.kind, version: configuration.version, association: configuration.association,
            candidate: configuration.candidate, host: InstanceName(configuration.host).hostInURL)
        var bytes = ByteBuffer()
        try bytes.writeJETPacket(JET.Packet(mask: configuration.mask, payload: request.text))
        return bytes
    }

    /// - Returns: nil while incomplete.
    mutating func readReply() throws(WireError) -> JET.Reply? {
        guard let packet = try self.input.readJETPacket() else { return nil }
        let decoding = self.configuration.decoding
        var reply = try JET.Reply(packet, to: self.kind, decoding)
        if reply.instance == nil, reply.status == JET.Reply.notFound {
            // Any refusal may say who else to ask, though only one kind of reply has to have the header.
            reply.instance = try JET.Head(packet, decoding)["Jet-Instance"].map { String(Substring($0)) }
        }
        return reply
    }

    mutating func takeInput() -> ByteBuffer {
        defer { self.input = ByteBuffer() }
        return self.input
    }
}

extension JET.Reply {
    static let granted = 200
    static let notFound = 404

    /// `404 Not Found`
    var statusText: String {
        let reason = Self.reason(self.status)
        return reason.isEmpty ? "\(self.status)" : "\(self.status) \(reason)"
    }
}
