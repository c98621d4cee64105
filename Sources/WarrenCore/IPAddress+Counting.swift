// SPDX-License-Identifier: Apache-2.0

extension IPAddress {
    /// Whom the address stands for where addresses are counted against a limit: whoever has one IPv6 address has its whole
    /// /64, and IPv4 within IPv6 is IPv4.
    public var counted: IPAddress {
        let address = self.unmapped
        return address.family == .v4 ? address : IPAddress(high: address.high, low: 0)
    }

    /// IPv4 within IPv6 (`::ffff:192.0.2.7`), as a socket for both families and other programs name a peer, as IPv4; any
    /// other address as it is.
    public var unmapped: IPAddress {
        let isMapped = self.family == .v6 && self.high == 0 && self.low >> 32 == 0xFFFF
        return isMapped ? IPAddress(v4: UInt32(truncatingIfNeeded: self.low)) : self
    }
}
