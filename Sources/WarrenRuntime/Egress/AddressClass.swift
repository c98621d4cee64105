// SPDX-License-Identifier: Apache-2.0

package import WarrenCore

/// What an address is for, by the registries of special addresses: the ground on which egress is judged.
///
/// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; for ``metadata`` the manuals of the clouds.
package enum AddressClass: String, Hashable, Sendable, CaseIterable {
    case `public`
    case `private`
    case loopback
    case linkLocal = "link-local"
    /// Where a cloud's machine asks for its own keys: the first thing a stranger asks an open proxy for.
    case metadata = "cloud metadata"
    case multicast
    case unspecified
    case reserved

    /// IPv4 inside IPv6 is judged as the IPv4 address that a packet would reach.
    package init(_ address: IPAddress) {
        switch address.family {
        case .v4: self.init(v4: UInt32(truncatingIfNeeded: address.low))
        case .v6:
            if let embedded = address.embedded {
                self.init(v4: UInt32(truncatingIfNeeded: embedded.address.low))
            } else {
                self.init(high: address.high, low: address.low)
            }
        }
    }

    private init(v4 address: UInt32) {
        switch address {
        // AWS, Google, Azure and most others; AWS ECS and EKS; Alibaba; Azure's host; Oracle Classic.
        case 0xA9FE_A9FE, 0xA9FE_AA02, 0xA9FE_AA17, 0x6464_64C8, 0xA83F_8110, 0xC000_00C0: self = .metadata
        case 0x0000_0000...0x00FF_FFFF: self = .unspecified  // 0/8
        case 0x0A00_0000...0x0AFF_FFFF,  // 10/8
            0x6440_0000...0x647F_FFFF,  // 100.64/10
            0xAC10_0000...0xAC1F_FFFF,  // 172.16/12
            0xC0A8_0000...0xC0A8_FFFF:  // 192.168/16
            self = .private
        case 0x7F00_0000...0x7FFF_FFFF: self = .loopback  // 127/8
        case 0xA9FE_0000...0xA9FE_FFFF: self = .linkLocal  // 169.254/16
        case 0xC000_0000...0xC000_00FF,  // 192.0.0/24
            0xC000_0200...0xC000_02FF,  // 192.0.2/24, documentation
            0xC058_6300...0xC058_63FF,  // 192.88.99/24, relays of 6to4
            0xC612_0000...0xC613_FFFF,  // 198.18/15, benchmarks
            0xC633_6400...0xC633_64FF,  // 198.51.100/24, documentation
            0xCB00_7100...0xCB00_71FF,  // 203.0.113/24, documentation
            0xF000_0000...0xFFFF_FFFF:  // 240/4 and broadcast
            self = .reserved
        case 0xE000_0000...0xEFFF_FFFF: self = .multicast  // 224/4
        default: self = .public
        }
    }

    private init(high: UInt64, low: UInt64) {
        switch (high, low) {
        case (0, 0): self = .unspecified
        case (0, 1): self = .loopback
        // AWS, AWS EKS, Google.
        case (0xFD00_0EC2_0000_0000, 0x254), (0xFD00_0EC2_0000_0000, 0x23), (0xFD20_00CE_0000_0000, 0x254):
            self = .metadata
        default: self.init(high: high)
        }
    }

    private init(high: UInt64) {
        switch high {
        case 0xFC00_0000_0000_0000...0xFDFF_FFFF_FFFF_FFFF,  // fc00::/7
            0x0064_FF9B_0001_0000...0x0064_FF9B_0001_FFFF:  // 64:ff9b:1::/48, NAT64 of this network's own
            self = .private
        case 0xFE80_0000_0000_0000...0xFEBF_FFFF_FFFF_FFFF: self = .linkLocal  // fe80::/10
        case 0xFF00_0000_0000_0000...: self = .multicast  // ff00::/8
        case 0x2001_0000_0000_0000...0x2001_01FF_FFFF_FFFF,  // 2001::/23: Teredo, ORCHID, benchmarks
            0x2001_0DB8_0000_0000...0x2001_0DB8_FFFF_FFFF,  // 2001:db8::/32, documentation
            0x3FFF_0000_0000_0000...0x3FFF_0FFF_FFFF_FFFF:  // 3fff::/20, documentation
            self = .reserved
        case 0x2000_0000_0000_0000...0x3FFF_FFFF_FFFF_FFFF: self = .public  // 2000::/3
        default: self = .reserved
        }
    }
}

extension IPAddress {
    /// The IPv4 address that an IPv6 address stands for, and how many bits of prefix say so.
    ///
    /// Mapped `::ffff:0:0/96`, compatible `::/96`, NAT64 `64:ff9b::/96`, 6to4 `2002::/16`.
    var embedded: (address: IPAddress, prefixLength: Int)? {
        guard self.family == .v6 else { return nil }
        let lowest = IPAddress(v4: UInt32(truncatingIfNeeded: self.low))
        switch (self.high, self.low >> 32) {
        case (0, 0xFFFF), (0x0064_FF9B_0000_0000, 0): return (lowest, 96)
        case (0, 0) where self.low > 1: return (lowest, 96)
        case (0x2002_0000_0000_0000...0x2002_FFFF_FFFF_FFFF, _):
            return (IPAddress(v4: UInt32(truncatingIfNeeded: self.high >> 16)), 16)
        default: return nil
        }
    }
}
