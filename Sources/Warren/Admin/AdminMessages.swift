// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenRuntime

/// What is asked of a running process: one JSON object on one line.
struct AdminRequest: Codable, Hashable, Sendable {
    enum Command: String, Codable, Sendable {
        case status
        case reload
        /// Ends the stream or session under `id`.
        case kill
        /// Says what a reload of `file` would do.
        case diff
    }

    let command: Command
    var id: String?
    var file: String?
}

/// The answer: one JSON object on one line, then the end of the connection.
struct AdminResponse: Codable, Sendable {
    /// Why not; empty if it was done.
    var problems: [String] = []
    var status: StatusReport?
    var change: ChangeReport?
}

/// Everything that lives in a process.
public struct StatusReport: Codable, Sendable {
    struct Unit: Codable, Sendable {
        let role: String
        let name: String
        let type: String
        /// `host:port` of each port.
        let listen: [String]
        let streams: Int
    }

    let version: String
    let pid: Int32
    let uptimeMs: Int
    let units: [Unit]
    let tunnels: [TunnelStatus]
    let sessions: [SessionStatus]
    let streams: [StreamStatus]
}

/// What an exchange of configurations does, or did.
public struct ChangeReport: Codable, Sendable {
    struct Unit: Codable, Sendable {
        let role: String
        let name: String
        /// `added`, `changed`, `removed`, `kept`, or `adjusted`: kept with all it has, and led elsewhere or limited
        /// otherwise from now on.
        let change: String
        /// Streams that it has now.
        let streams: Int
    }

    let units: [Unit]
    /// Names of settings that are no unit's.
    let settings: [String]
}

extension JSONEncoder {
    /// Keys in order, nothing escaped that need not be.
    static var admin: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}
