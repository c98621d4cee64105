// SPDX-License-Identifier: Apache-2.0

public import NIOCore
import WarrenCore

extension MProxy {
    /// Where a visitor comes from, as it stands in a header: it *is* the identity of the visitor's stream.
    ///
    /// The three texts are compared byte by byte and never made uniform: `tun` must be answered with `tun`.
    public struct Address: Sendable {
        /// `IPv4`, `IPv6`, or `tun` from peers in Go.
        public var family: String
        /// An IP address without brackets, perhaps with a zone.
        public var address: String
        /// A port in decimal digits.
        public var port: String

        public init(family: String, address: String, port: String) {
            self.family = family
            self.address = address
            self.port = port
        }

        /// `IPv4,192.0.2.7,40000`: how Telebit's programs name a stream in their tables.
        public var id: String { "\(self.family),\(self.address),\(self.port)" }

        /// The address whose ``id`` this is; nil unless it has exactly two commas.
        public init?(id: String) {
            var rest = id.split(separator: ",", omittingEmptySubsequences: false)[...]
            guard rest.count == 3, let family = rest.popFirst(), let address = rest.popFirst(),
                let port = rest.popFirst()
            else { return nil }
            self.init(family: String(family), address: String(address), port: String(port))
        }

        /// No more than this, in bytes, so that every answer that repeats it fits into a header.
        static let mostBytes = 128
        var byteCount: Int { self.family.utf8.count + self.address.utf8.count + self.port.utf8.count + 2 }
    }
}

extension MProxy.Address: Hashable {
    /// Strings that look alike are equal to Swift but not to a peer.
    public static func == (a: Self, b: Self) -> Bool {
        a.port.utf8.elementsEqual(b.port.utf8) && a.address.utf8.elementsEqual(b.address.utf8)
            && a.family.utf8.elementsEqual(b.family.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        for var text in [self.family, self.address, self.port] {
            // All at once: byte by byte costs more than anything else of a frame.
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
            hasher.combine(UInt8(ascii: ","))
        }
    }
}

extension MProxy.Address {
    static let v4 = "IPv4"
    static let v6 = "IPv6"
    static let go = "tun"

    /// The address of a visitor's socket; nil for a Unix domain socket.
    public init?(_ source: SocketAddress, _ dialect: MProxy.Dialect) {
        guard let address = IPAddress(source), let port = source.port else { return nil }
        let family = address.family == .v4 ? Self.v4 : Self.v6
        self.init(family: dialect == .go ? Self.go : family, address: address.description, port: "\(port)")
    }

    /// The socket address that the texts stand for; nil where they are no IP address (names, zones) or no port.
    public var socketAddress: SocketAddress? {
        guard let address = IPAddress(self.address), let port = UInt16(self.port) else { return nil }
        return address.socketAddress(port: port)
    }

    /// Who it is: relays in node write IPv4 within IPv6, which is IPv4 for everybody else.
    var visitor: SocketAddress? {
        guard let address = IPAddress(self.address), let port = UInt16(self.port) else { return nil }
        return address.unmapped.socketAddress(port: port)
    }
}
