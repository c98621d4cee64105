// SPDX-License-Identifier: Apache-2.0

extension IPAddress {
    /// Whom the address stands for where addresses are counted against a limit: whoever has one IPv6 address has its whole
    /// /64, and IPv4 within IPv6 is IPv4.
    public var counted: IPAddress {
        switch self.family {
        case .v4: self
        case .v6 where self.high == 0 && self.low >> 32 == 0xFFFF: IPAddress(v4: UInt32(truncatingIfNeeded: self.low))
        case .v6: IPAddress(high: self.high, low: 0)
        }
    }
}
