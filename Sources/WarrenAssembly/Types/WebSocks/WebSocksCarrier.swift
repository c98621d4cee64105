// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenConfiguration
import WarrenCore

let websocksExposure =
    "the user's name, a login that is good for anybody for up to three minutes, destinations and everything that is not "
    + "encrypted itself"

/// What the streams of WebSocks go over. One more is one more case, and a branch where the two types are read.
enum WebSocksCarrier: String, CaseIterable, Sendable {
    case tcp
    case tls
}

extension Section {
    /// `carrier`, which must agree with the `tls:` block; without it the block decides.
    ///
    /// - Parameter role: who dials needs no certificate, so `tls` alone will do.
    /// - Returns: nil after a report.
    func websocksCarrier(for role: TLSSettings.Role) -> WebSocksCarrier? {
        let carrier = self.optional("carrier", .oneOf(WebSocksCarrier.self))
        guard carrier != nil || !self.contains("carrier") else { return nil }
        let hasTLS = self.hasTLSBlock
        switch carrier {
        case nil: return hasTLS ? .tls : .tcp
        case .tcp where hasTLS:
            let hint = "write carrier: tls, or remove the block"
            self.report("the carrier is tcp, and there is a tls block", at: "tls", hint: hint)
            return nil
        case .tls where !hasTLS && role == .server:
            self.missing("tls", expected: "a block with cert and key, as the carrier is tls")
            return nil
        case .tcp, .tls: return carrier
        }
    }

    private var hasTLSBlock: Bool {
        guard let node = self.node("tls") else { return false }
        if case .scalar(let scalar) = node.content { return scalar.text != "false" }
        return true
    }
}

/// The time of day, of which a digest is made.
enum WallClock {
    /// Milliseconds since 1970.
    @Sendable static func milliseconds() -> Int64 {
        Int64(exactly: (Date().timeIntervalSince1970 * 1000).rounded()) ?? 0
    }
}
