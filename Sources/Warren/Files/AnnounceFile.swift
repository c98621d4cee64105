// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenCore

/// The file in which an accepter says how it can be reached: its association in the first line, and in the second the
/// host and port of the relay that holds it.
struct AnnounceFile: Sendable {
    struct Announcement: Hashable {
        let association: UUID
        let instance: Target?
    }

    let path: String

    /// Takes the place of what was there at once: a reader sees the old text or the new one. Readable by the owner only:
    /// whoever knows the association may join.
    ///
    /// - Parameter fallback: the relay that was dialled, where it does not say who it is, or not on which port.
    /// - Returns: what went wrong, in a sentence; nil if nothing did.
    func write(_ grant: Grant, fallback: Target) -> String? {
        guard case .meeting(let association) = grant.destination else { return nil }
        let text = "\(association)\n\(self.relay(grant.instance, fallback))\n"
        let draft = "\(self.path).new"
        let files = FileManager.default
        try? files.removeItem(atPath: draft)
        guard files.createFile(atPath: draft, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]),
            rename(draft, self.path) == 0
        else { return "cannot write \(self.path); check that the folder is there and may be written to" }
        return nil
    }

    private func relay(_ instance: String?, _ fallback: Target) -> Target {
        guard let instance, let target = try? Target(parsing: instance, defaultPort: fallback.port) else {
            return fallback
        }
        return target
    }

    /// Nil if the file is not there or holds no association.
    func read() -> Announcement? {
        guard let text = try? TextFile.read(self.path, limit: 4 << 10) else { return nil }
        let lines = text.split(whereSeparator: \.isNewline)
        guard let first = lines.first, let association = UUID(uuidString: String(first)) else { return nil }
        let instance = lines.dropFirst().first.flatMap { try? Target(parsing: String($0), defaultPort: nil) }
        return Announcement(association: association, instance: instance)
    }
}
