// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension Host {
    /// The longest name that a peer may write, in bytes: what SOCKS5 and jProxy can say.
    public static let longestName = 255

    /// The host a peer named: an address if it wrote one, otherwise what may be a ``HostName``, as it was written.
    ///
    /// Names end up in rules, logs, resolvers and the requests of other protocols, so this is where whatever could be read
    /// in two ways is refused.
    ///
    /// - Throws: ``WireError`` `.tooShort`, `.tooLong` or `.badValue` in `field`.
    public init(peerNamed bytes: ByteBufferView, in field: String) throws(WireError) {
        guard !bytes.isEmpty else { throw WireError(.tooShort, in: field) }
        guard bytes.count <= Self.longestName else {
            throw WireError(.tooLong, in: field, found: "\(bytes.count) > \(Self.longestName)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw WireError(.badValue, in: field, found: "bytes that are no text")
        }
        self.init(text)
        guard case .name(let name) = self, HostName(name) == nil else { return }
        throw WireError(.badValue, in: field, found: "what is no host name")
    }
}
