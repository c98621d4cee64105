// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// An IPv4 or IPv6 address without port or zone, as a value that can be compared and masked.
///
/// IPv4 is kept in the low 32 bits of ``low``; ``high`` is 0 then.
public struct IPAddress: Hashable, Sendable {
    public enum Family: Hashable, Sendable {
        case v4
        case v6
    }

    public let family: Family
    public let high: UInt64
    public let low: UInt64

    public init(v4 value: UInt32) {
        self.family = .v4
        self.high = 0
        self.low = UInt64(value)
    }

    public init(high: UInt64, low: UInt64) {
        self.family = .v6
        self.high = high
        self.low = low
    }

    /// The number of bits of an address of this family: 32 or 128.
    public var bitWidth: Int { self.family == .v4 ? 32 : 128 }

    /// True if the first `length` bits are those of `prefix`; addresses of the other family never match.
    public func hasPrefix(_ prefix: IPAddress, length: Int) -> Bool {
        guard self.family == prefix.family, length >= 0, length <= self.bitWidth else { return false }
        switch self.family {
        case .v4:
            return length == 0 || (self.low ^ prefix.low) >> UInt64(32 - length) == 0
        case .v6 where length <= 64:
            return length == 0 || (self.high ^ prefix.high) >> UInt64(64 - length) == 0
        case .v6:
            return self.high == prefix.high && (length == 64 || (self.low ^ prefix.low) >> UInt64(128 - length) == 0)
        }
    }
}

extension IPAddress {
    /// Reads the usual text form (`192.0.2.7`, `2001:db8::1`); nil for anything else: names, zones.
    public init?(_ text: String) {
        // A zone would be dropped, and whatever stands behind a zero byte not be seen.
        guard !text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == 0 }),
            let address = try? SocketAddress(ipAddress: text, port: 0)
        else { return nil }
        self.init(address)
    }

    /// The address of an IP socket address; nil for a Unix domain socket.
    public init?(_ address: SocketAddress) {
        // The same layout on every system: family and port in the first 4 bytes, then `address 4B` (IPv4) or
        // `flow 4B | address 16B` (IPv6).
        func load<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type) -> Value {
            address.withSockAddr { start, _ in
                Value(bigEndian: UnsafeRawPointer(start).loadUnaligned(fromByteOffset: offset, as: type))
            }
        }
        switch address {
        case .v4: self.init(v4: load(4, as: UInt32.self))
        case .v6: self.init(high: load(8, as: UInt64.self), low: load(16, as: UInt64.self))
        case .unixDomainSocket: return nil
        }
    }

    /// The address with a port, ready for a socket call.
    public func socketAddress(port: UInt16) -> SocketAddress {
        // Only a wrong byte count makes this throw, and the count is ours.
        do {
            return try SocketAddress(packedIPAddress: self.packed, port: Int(port))
        } catch {
            preconditionFailure("a packed address of \(self.bitWidth) bits was refused")
        }
    }

    /// The address in network byte order, 4 or 16 bytes.
    public var packed: ByteBuffer {
        var bytes = ByteBuffer()
        switch self.family {
        case .v4: bytes.writeInteger(UInt32(truncatingIfNeeded: self.low))
        case .v6: bytes.writeMultipleIntegers(self.high, self.low)
        }
        return bytes
    }
}

extension IPAddress: CustomStringConvertible {
    public var description: String {
        guard self.family == .v4 else { return self.socketAddress(port: 0).ipAddress ?? "?" }
        var text = ""
        for shift in [24, 16, 8, 0] as [UInt64] {
            text += String(UInt8(truncatingIfNeeded: self.low >> shift))
            if shift > 0 { text += "." }
        }
        return text
    }
}

extension ByteBuffer {
    /// Reads 4 bytes (`v4`) or 16 bytes (`v6`) in network byte order; nil and nothing consumed while incomplete.
    public mutating func readIPAddress(_ family: IPAddress.Family) -> IPAddress? {
        switch family {
        case .v4:
            return self.readInteger(as: UInt32.self).map { IPAddress(v4: $0) }
        case .v6:
            return self.readMultipleIntegers(as: (UInt64, UInt64).self).map { IPAddress(high: $0.0, low: $0.1) }
        }
    }
}
