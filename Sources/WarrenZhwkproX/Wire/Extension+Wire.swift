// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

/// The first byte of each message; it alone says how long the message, or its clear part, is.
private enum ExtendedType {
    static let opened: UInt8 = 0xE0
    static let data: UInt8 = 0xE1
    static let credit: UInt8 = 0xE2
    static let finish: UInt8 = 0xE3
    static let open4: UInt8 = 0xE4
    static let reset: UInt8 = 0xE5
    static let open6: UInt8 = 0xE6
    static let ping: UInt8 = 0xE7
    static let pong: UInt8 = 0xE8
}

extension ByteBuffer {
    /// The clear part of a data message: `E1 | id u32 | length u32`.
    static let zhwkproXDataLength = 9

    /// How long a message of the extension is, payload not counted, by its first byte.
    ///
    /// - Throws: ``WireError`` `.badValue` for a type that there is not.
    static func zhwkproXExtensionLength(_ type: UInt8) throws(WireError) -> Int {
        switch type {
        case ExtendedType.opened: 10
        case ExtendedType.data, ExtendedType.credit, ExtendedType.ping, ExtendedType.pong: 9
        case ExtendedType.finish: 5
        case ExtendedType.reset: 6
        case ExtendedType.open4: 15
        case ExtendedType.open6: 27
        default: throw WireError(.badValue, in: "message.type", found: "\(type)")
        }
    }

    /// Reads the head of a data message: `E1 | id u32 | length u32`.
    ///
    /// - Returns: nil for any other message, and while incomplete; nothing has been consumed then.
    /// - Throws: ``WireError`` `.tooLong` for more than 64 KiB.
    mutating func readZhwkproXData() throws(WireError) -> (id: UInt32, length: Int)? {
        try self.readWhole { bytes throws(WireError) in
            guard let (type, id, length) = bytes.readMultipleIntegers(as: (UInt8, UInt32, UInt32).self),
                type == ExtendedType.data
            else { return nil }
            let most = ZhwkproX.Extension.mostData
            guard length <= most else { throw WireError(.tooLong, in: "data.length", found: "\(length) > \(most)") }
            return (id, Int(length))
        }
    }

    mutating func writeZhwkproXData(id: UInt32, length: UInt32) {
        self.writeMultipleIntegers(ExtendedType.data, id, length)
    }

    /// Reads one message that is not payload.
    ///
    /// | message | bytes |
    /// |---|---|
    /// | opened, S→I | `E0` id 4 · fault 1 (0 open) · window 4 |
    /// | credit | `E2` id 4 · bytes 4 |
    /// | finish | `E3` id 4 |
    /// | open, I→S | `E4` id 4 · window 4 · IPv4 4 · port 2; `E6` id 4 · window 4 · IPv6 16 · port 2 |
    /// | reset | `E5` id 4 · fault 1 (0 in order) |
    /// | ping, pong | `E7`, `E8` · number 8 |
    ///
    /// Integers are big-endian.
    ///
    /// - Returns: nil while incomplete; nothing has been consumed then.
    /// - Throws: ``WireError`` `.badValue` for an unknown type, `.tooLong` for a window of more than 2 GiB.
    mutating func readZhwkproXExtension() throws(WireError) -> ZhwkproX.ExtendedMessage? {
        try self.readWhole { bytes throws(WireError) in
            guard let type = bytes.readInteger(as: UInt8.self) else { return nil }
            _ = try Self.zhwkproXExtensionLength(type)
            switch type {
            case ExtendedType.ping: return bytes.readInteger(as: UInt64.self).map { .ping($0) }
            case ExtendedType.pong: return bytes.readInteger(as: UInt64.self).map { .pong($0) }
            default: break
            }
            guard let id = bytes.readInteger(as: UInt32.self) else { return nil }
            switch type {
            case ExtendedType.open4: return try bytes.readOpen(id, .v4)
            case ExtendedType.open6: return try bytes.readOpen(id, .v6)
            case ExtendedType.opened:
                guard let (fault, window) = bytes.readMultipleIntegers(as: (UInt8, UInt32).self) else { return nil }
                return .opened(id: id, StreamFault(code: fault), window: try Self.checked(window, "opened.window"))
            case ExtendedType.credit:
                guard let credit = bytes.readInteger(as: UInt32.self) else { return nil }
                return .credit(id: id, try Self.checked(credit, "credit.bytes"))
            case ExtendedType.reset:
                return bytes.readInteger(as: UInt8.self).map { .reset(id: id, StreamFault(code: $0)) }
            case ExtendedType.finish: return .finish(id: id)
            default: return nil  // payload
            }
        }
    }

    mutating func writeZhwkproXExtension(_ message: ZhwkproX.ExtendedMessage) {
        switch message {
        case .open(let id, let endpoint, let window):
            let address = endpoint.address
            switch address.family {
            case .v4:
                self.writeMultipleIntegers(ExtendedType.open4, id, window, UInt32(truncatingIfNeeded: address.low))
            case .v6:
                self.writeMultipleIntegers(ExtendedType.open6, id, window, address.high, address.low)
            }
            self.writeInteger(endpoint.port)
        case .opened(let id, let fault, let window):
            self.writeMultipleIntegers(ExtendedType.opened, id, fault?.code ?? 0, window)
        case .credit(let id, let bytes): self.writeMultipleIntegers(ExtendedType.credit, id, bytes)
        case .finish(let id): self.writeMultipleIntegers(ExtendedType.finish, id)
        case .reset(let id, let fault): self.writeMultipleIntegers(ExtendedType.reset, id, fault?.code ?? 0)
        case .ping(let number): self.writeMultipleIntegers(ExtendedType.ping, number)
        case .pong(let number): self.writeMultipleIntegers(ExtendedType.pong, number)
        }
    }

    private mutating func readOpen(
        _ id: UInt32, _ family: IPAddress.Family
    ) throws(WireError) -> ZhwkproX.ExtendedMessage? {
        guard let window = self.readInteger(as: UInt32.self), let address = self.readIPAddress(family),
            let port = self.readInteger(as: UInt16.self)
        else { return nil }
        let endpoint = ZhwkproX.StreamAddress(address: address, port: port)
        return .open(id: id, endpoint, window: try Self.checked(window, "open.window"))
    }

    private static func checked(_ window: UInt32, _ field: String) throws(WireError) -> UInt32 {
        guard window <= ZhwkproX.Extension.mostCredit else { throw WireError(.tooLong, in: field, found: "\(window)") }
        return window
    }
}
