// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension ByteBuffer {
    /// Reads one whole message; bytes behind it are left and mean nothing.
    ///
    /// | message | bytes |
    /// |---|---|
    /// | connect | `01` id 2 · port 2 · atype 1 · alen 1 · addr alen |
    /// | connect reply | `01` id 2 · status 1 · ms 2 |
    /// | data | `21` id 2 · dlen 2 · data |
    /// | disconnect | `41` id 2 · reason 1 (ignored, as is what some clients send behind it) |
    /// | associate | `02` id 2 · local port 2 · remote port 2 · atype 1 · alen 1 · addr alen |
    /// | associate reply | `02` id 2 · status 1 · local port 2 |
    /// | datagram | `22` id 2 · dlen 2 · data |
    /// | dissociate | `42` id 2 |
    ///
    /// - Throws: ``WireError`` `.tooShort` for a message that ends early, `.tooLong` for a `dlen` past its end.
    /// - Source: jProxy protocol, "Messages". Types are hexadecimal in the deployed dialect, decimal in the document's;
    ///   integers are big-endian in the first, little-endian in the second.
    mutating func readJProxyMessage(_ dialect: JProxy.Dialect, from side: JProxy.Side) throws(WireError)
        -> JProxy.Message
    {
        guard let type = self.readInteger(as: UInt8.self) else { throw WireError(.tooShort, in: "message.type") }
        let types = dialect.types
        switch type {
        case types.connect where side == .client:
            let id = try self.readNumber(dialect, "connect.id")
            let port = try self.readNumber(dialect, "connect.port")
            return .connect(JProxy.ConnectRequest(id: id, host: try self.readJProxyAddress(), port: port))
        case types.connect:
            return .connectReply(try self.readConnectReply(dialect))
        case types.data:
            return .data(id: try self.readNumber(dialect, "data.id"), try self.readPayload(dialect))
        case types.disconnect:
            let id = try self.readNumber(dialect, "disconnect.id")
            guard self.readInteger(as: UInt8.self) != nil else { throw WireError(.tooShort, in: "disconnect.reason") }
            return .disconnect(id: id)
        case types.associate where dialect.carriesUDP && side == .client:
            let id = try self.readNumber(dialect, "associate.id")
            let localPort = try self.readNumber(dialect, "associate.localPort")
            let port = try self.readNumber(dialect, "associate.remotePort")
            let request = JProxy.ConnectRequest(id: id, host: try self.readJProxyAddress(), port: port)
            return .associate(request, localPort: localPort)
        case types.associate where dialect.carriesUDP:
            let id = try self.readNumber(dialect, "associateReply.id")
            guard let status = self.readInteger(as: UInt8.self)
            else { throw WireError(.tooShort, in: "associateReply.status") }
            let localPort = try self.readNumber(dialect, "associateReply.localPort")
            return .associateReply(id: id, isAccepted: status == 0, localPort: localPort)
        case types.datagram where dialect.carriesUDP:
            return .datagram(id: try self.readNumber(dialect, "datagram.id"), try self.readPayload(dialect))
        case types.dissociate where dialect.carriesUDP:
            return .dissociate(id: try self.readNumber(dialect, "dissociate.id"))
        default:
            return .unknown(type: type)
        }
    }

    /// Writes one message. Payload beyond 4074 bytes is the caller's mistake.
    mutating func writeJProxyMessage(_ message: JProxy.Message, _ dialect: JProxy.Dialect) {
        let types = dialect.types
        let order = dialect.endianness
        switch message {
        case .connect(let request):
            self.writeInteger(types.connect)
            self.writeMultipleIntegers(request.id, request.port, endianness: order)
            self.writeJProxyAddress(request.host)
        case .connectReply(let reply):
            self.writeInteger(types.connect)
            self.writeInteger(reply.id, endianness: order)
            self.writeInteger(dialect.status(reply.fault))
            self.writeInteger(reply.milliseconds, endianness: order)
        case .data(let id, let bytes), .datagram(let id, let bytes):
            if case .data = message { self.writeInteger(types.data) } else { self.writeInteger(types.datagram) }
            self.writeInteger(id, endianness: order)
            self.writeInteger(UInt16(truncatingIfNeeded: bytes.readableBytes), endianness: order)
            self.writeImmutableBuffer(bytes)
        case .disconnect(let id):
            self.writeInteger(types.disconnect)
            self.writeInteger(id, endianness: order)
            self.writeInteger(JProxy.disconnectReason)
        case .associate(let request, let localPort):
            self.writeInteger(types.associate)
            self.writeMultipleIntegers(request.id, localPort, request.port, endianness: order)
            self.writeJProxyAddress(request.host)
        case .associateReply(let id, let isAccepted, let localPort):
            self.writeInteger(types.associate)
            self.writeInteger(id, endianness: order)
            self.writeInteger(UInt8(isAccepted ? 0 : 1))
            self.writeInteger(localPort, endianness: order)
        case .dissociate(let id):
            self.writeInteger(types.dissociate)
            self.writeInteger(id, endianness: order)
        case .extended(let message):
            self.writeJProxyExtension(message)
        case .unknown(let type):
            self.writeInteger(type)
        }
    }

    private mutating func readConnectReply(_ dialect: JProxy.Dialect) throws(WireError) -> JProxy.ConnectReply {
        let id = try self.readNumber(dialect, "connectReply.id")
        guard let status = self.readInteger(as: UInt8.self)
        else { throw WireError(.tooShort, in: "connectReply.status") }
        let milliseconds = try self.readNumber(dialect, "connectReply.ms")
        return JProxy.ConnectReply(id: id, fault: dialect.fault(status: status), milliseconds: milliseconds)
    }

    private mutating func readPayload(_ dialect: JProxy.Dialect) throws(WireError) -> ByteBuffer {
        let length = try self.readNumber(dialect, "data.length")
        guard let payload = self.readSlice(length: Int(length))
        else { throw WireError(.tooLong, in: "data.length", found: "\(length) > \(self.readableBytes)") }
        return payload
    }

    private mutating func readNumber(_ dialect: JProxy.Dialect, _ field: String) throws(WireError) -> UInt16 {
        guard let number = self.readInteger(endianness: dialect.endianness, as: UInt16.self)
        else { throw WireError(.tooShort, in: field) }
        return number
    }
}
