// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension SecureDatagrams {
    /// Where a datagram comes from or goes to.
    public struct Address: Hashable, Sendable {
        public let host: IPAddress
        public let port: UInt16
        /// The scope of a link-local address, as the system numbers interfaces; 0 for others.
        public let scope: UInt32

        public init(_ host: IPAddress, port: UInt16, scope: UInt32 = 0) {
            self.host = host
            self.port = port
            self.scope = scope
        }

        /// - Returns: nil for a Unix domain socket.
        public init?(_ address: SocketAddress) {
            guard let host = IPAddress(address) else { return nil }
            var scope: UInt32 = 0
            if case .v6 = address {
                // `family and port 4B | flow 4B | address 16B | scope 4B`, the scope in the system's byte order.
                scope = address.withSockAddr { start, _ in
                    UnsafeRawPointer(start).loadUnaligned(fromByteOffset: 24, as: UInt32.self)
                }
            }
            self.init(host, port: UInt16(clamping: address.port ?? 0), scope: scope)
        }

        /// `family 1B | address 4B or 16B | port 2B | scope 4B`, what a cookie is bound to.
        var bytes: [UInt8] {
            var bytes: [UInt8] = [self.host.family == .v4 ? 4 : 6]
            bytes += Array(self.host.packed.readableBytesView)
            bytes.append(bigEndian: self.port)
            bytes.append(bigEndian: self.scope)
            return bytes
        }
    }
}

extension [UInt8] {
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self.append(contentsOf: $0) }
    }
}
