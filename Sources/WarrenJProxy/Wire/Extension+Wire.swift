// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// Types that the deployed protocol does not use.
private enum ExtendedType {
    static let open: UInt8 = 0x51
    static let credit: UInt8 = 0x52
    static let finish: UInt8 = 0x53
    static let reset: UInt8 = 0x54
    static let ping: UInt8 = 0x55
    static let pong: UInt8 = 0x56
    static let welcome: UInt8 = 0x5E
}

extension ByteBuffer {
    /// Reads one whole message of the extension; bytes behind it are left for later versions.
    ///
    /// | message | bytes |
    /// |---|---|
    /// | welcome, S→C | `5E` version 1 |
    /// | open, C→S | `51` id 2 · port 2 · window 4 · atype 1 · alen 1 · addr alen |
    /// | opened, S→C | `51` id 2 · fault 1 (0 open) · ms 2 · window 4 |
    /// | credit | `52` id 2 · bytes 4 |
    /// | finish | `53` id 2 |
    /// | reset | `54` id 2 · fault 1 (0 in order) |
    /// | ping, pong | `55`, `56` · number 8 |
    ///
    /// Integers are big-endian.
    ///
    /// - Returns: nil if the message is none of the extension's; nothing has been consumed then.
    /// - Throws: ``WireError`` `.tooShort` for a message that ends early, `.tooLong` for a window of more than 2 GiB.
    mutating func readJProxyExtension(from side: JProxy.Side) throws(WireError) -> JProxy.ExtendedMessage? {
        try self.readWhole { bytes throws(WireError) in
            guard let type = bytes.readInteger(as: UInt8.self) else { return nil }
            switch type {
            case ExtendedType.welcome where side == .server:
                return .welcome(version: try bytes.readField("welcome.version"))
            case ExtendedType.open where side == .client:
                return try bytes.readOpen()
            case ExtendedType.open:
                return try bytes.readOpened()
            case ExtendedType.credit:
                return .credit(id: try bytes.readField("credit.id"), try bytes.readField("credit.bytes"))
            case ExtendedType.finish:
                return .finish(id: try bytes.readField("finish.id"))
            case ExtendedType.reset:
                let id: UInt16 = try bytes.readField("reset.id")
                return .reset(id: id, StreamFault(code: try bytes.readField("reset.fault")))
            case ExtendedType.ping:
                return .ping(try bytes.readField("ping.number"))
            case ExtendedType.pong:
                return .pong(try bytes.readField("pong.number"))
            default:
                return nil
            }
        }
    }

    mutating func writeJProxyExtension(_ message: JProxy.ExtendedMessage) {
        switch message {
        case .welcome(let version):
            self.writeMultipleIntegers(ExtendedType.welcome, version)
        case .open(let request, let window):
            self.writeMultipleIntegers(ExtendedType.open, request.id, request.port, window)
            self.writeJProxyAddress(request.host)
        case .opened(let reply, let window):
            let code = reply.fault?.code ?? 0
            self.writeMultipleIntegers(ExtendedType.open, reply.id, code, reply.milliseconds, window)
        case .credit(let id, let bytes):
            self.writeMultipleIntegers(ExtendedType.credit, id, bytes)
        case .finish(let id):
            self.writeMultipleIntegers(ExtendedType.finish, id)
        case .reset(let id, let fault):
            self.writeMultipleIntegers(ExtendedType.reset, id, fault?.code ?? 0)
        case .ping(let number):
            self.writeMultipleIntegers(ExtendedType.ping, number)
        case .pong(let number):
            self.writeMultipleIntegers(ExtendedType.pong, number)
        }
    }

    private mutating func readOpen() throws(WireError) -> JProxy.ExtendedMessage {
        let id: UInt16 = try self.readField("open.id")
        let port: UInt16 = try self.readField("open.port")
        let window = try self.readWindow("open.window")
        return .open(JProxy.ConnectRequest(id: id, host: try self.readJProxyAddress(), port: port), window: window)
    }

    private mutating func readOpened() throws(WireError) -> JProxy.ExtendedMessage {
        let id: UInt16 = try self.readField("opened.id")
        let fault = StreamFault(code: try self.readField("opened.fault"))
        let reply = JProxy.ConnectReply(id: id, fault: fault, milliseconds: try self.readField("opened.ms"))
        return .opened(reply, window: try self.readWindow("opened.window"))
    }

    private mutating func readWindow(_ name: String) throws(WireError) -> UInt32 {
        let window: UInt32 = try self.readField(name)
        guard window <= JProxy.Extension.mostCredit else { throw WireError(.tooLong, in: name, found: "\(window)") }
        return window
    }

    private mutating func readField<Number: FixedWidthInteger>(_ name: String) throws(WireError) -> Number {
        guard let number = self.readInteger(as: Number.self) else { throw WireError(.tooShort, in: name) }
        return number
    }
}
