// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore

extension VProxy.ExtendedMessage {
    private static let creditKind: UInt8 = 1
    private static let resetKind: UInt8 = 2

    /// Reads `kind u8 | bytes u32` or `kind u8 | fault u8`; bytes behind that are for later versions.
    ///
    /// - Throws: `.badValue` for a kind that version 1 does not have, `.tooShort`.
    init(_ payload: ByteBuffer) throws(WireError) {
        var payload = payload
        switch payload.readInteger(as: UInt8.self) {
        case Self.creditKind?:
            guard let bytes = payload.readInteger(as: UInt32.self) else { throw WireError(.tooShort, in: "credit") }
            self = .credit(bytes)
        case Self.resetKind?:
            guard let code = payload.readInteger(as: UInt8.self) else { throw WireError(.tooShort, in: "reset") }
            self = .reset(StreamFault(code: code))
        case let kind:
            throw WireError(.badValue, in: "extension.kind", found: kind.map { "\($0)" } ?? "nothing")
        }
    }

    /// The payload: less than 8 bytes, as a deployed peer ignores a PING with so few.
    var payload: [UInt8] {
        switch self {
        case .credit(let bytes): [Self.creditKind] + withUnsafeBytes(of: bytes.bigEndian) { Array($0) }
        case .reset(let fault): [Self.resetKind, fault?.code ?? 0]
        }
    }
}

extension VProxy.Extension {
    static let announcement = Self.mark + [Self.version]

    /// The version that what stands behind a PING's number announces; nil if it is none.
    static func version(announcedBy extra: ByteBuffer) -> UInt8? {
        guard extra.readableBytesView.starts(with: Self.mark) else { return nil }
        let version = extra.getInteger(at: extra.readerIndex + Self.mark.count, as: UInt8.self)
        return version == 0 ? nil : version
    }
}

extension ByteBuffer {
    mutating func writeVProxyExtension(_ message: VProxy.ExtendedMessage, stream: UInt32) {
        let payload = message.payload
        self.writeVProxyHead(
            VProxy.FrameHead(.ping, length: payload.count, flags: VProxy.Extension.flag, stream: stream))
        self.writeBytes(payload)
    }
}
