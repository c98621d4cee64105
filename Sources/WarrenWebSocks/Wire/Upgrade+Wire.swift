// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

extension ByteBuffer {
    /// Writes the request of an upgrade as deployed agents do, to the byte.
    ///
    /// - Throws: ``WireError`` `.badValue` in `host` for what is no field value, in `user` for an empty name and one with a
    ///   colon.
    package mutating func writeWebSocksUpgrade(_ request: WebSocks.UpgradeRequest) throws(WireError) {
        guard !request.host.isEmpty, request.host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw WireError(.badValue, in: "host")
        }
        guard !request.user.isEmpty, !request.user.utf8.contains(UInt8(ascii: ":")) else {
            throw WireError(.badValue, in: "user")
        }
        let login = Base64.encode(Array(request.user.utf8) + [UInt8(ascii: ":")] + request.digest)
        let lines = [
            "GET / HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", "Host: \(request.host)",
            "Sec-WebSocket-Key: \(WebSocks.Upgrade.key)", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: \(WebSocks.Upgrade.subprotocol)",
            "Authorization: Basic \(String(decoding: login, as: UTF8.self))", "", "",
        ]
        self.writeString(lines.joined(separator: "\r\n"))
    }

    /// Reads the answer to an upgrade.
    ///
    /// - Returns: the status: 101 means that everything else is right, too. Nil while incomplete.
    /// - Throws: ``WireError`` for what is no HTTP, and in `upgrade` for a 101 that is none.
    package mutating func readWebSocksAnswer(
        _ scan: inout HTTPHeadScan, _ decoding: WebSocks.Decoding = .lenient
    ) throws(WireError) -> Int? {
        guard let head = try self.readWebSocksHead(&scan) else { return nil }
        let words = head.words(most: 3)
        guard words.first?.starts(with: "HTTP/1.".utf8) == true, let word = words.dropFirst().first,
            word.count == 3, let status = word.decimal, (100...599).contains(status)
        else { throw WireError(.badValue, in: "head.line", found: "no status") }
        guard status == 101 else { return status }
        guard head.isUpgrade(decoding), !head.has("content-length"),
            head.values("sec-websocket-accept").contains(WebSocks.Upgrade.accept(WebSocks.Upgrade.key))
        else { throw WireError(.badValue, in: "upgrade", found: "101 without its fields") }
        return status
    }
}

extension WebSocks {
    /// What goes over the wire between the upgrade and SOCKS5.
    package enum Frame {
        /// A binary message of 2^63-1 bytes, not masked: whatever follows is inside it.
        package static let bytes: [UInt8] = [0x82, 0x7F, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
        /// Keeps a connection that waits in a pool alive.
        package static let pong: [UInt8] = [0x8A, 0x00]
    }

    /// What came next where a frame is awaited.
    package enum FrameRead: Hashable, Sendable {
        case pong
        case frame
    }
}

extension ByteBuffer {
    /// Reads a PONG (2 bytes) or the frame of greatest length, whose 10 bytes are counted and not looked at: some builds send
    /// another length.
    ///
    /// - Throws: ``WireError`` `.badValue` in `pong` for one with a payload.
    package mutating func readWebSocksFrame() throws(WireError) -> WebSocks.FrameRead? {
        try self.readWhole { (buffer) throws(WireError) in
            guard let first = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) else { return nil }
            guard first & 0x0F == 0x0A else {
                return buffer.readSlice(length: WebSocks.Frame.bytes.count).map { _ in .frame }
            }
            guard let pong = buffer.readBytes(length: WebSocks.Frame.pong.count) else { return nil }
            guard pong == WebSocks.Frame.pong else { throw WireError(.badValue, in: "pong") }
            return .pong
        }
    }
}
