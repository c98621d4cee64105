// SPDX-License-Identifier: Apache-2.0

import WarrenCore

/// What peers are told when a tunnel is shut down: nothing of what is inside.
enum Farewell {
    static let exhausted = "no more streams"
    static let silence = "keepalive response timeout"
    static let handshake = "handshake timed out"
    static let shutdown = "shutting down"

    static func text(for error: WireError) -> String {
        error.code == .tooLong && error.field == "gzip" ? "compressed data too large" : "protocol error"
    }

    /// What a peer said, for people: one line, without control characters, cut short.
    static func shown(_ text: String) -> String { Claim(identity: Array(text.utf8)).shownIdentity }
}
