// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenConfiguration
import WarrenCore

/// The file in which an accepter says how it can be reached: its association in the first line, and in the second the
/// host and port of the relay that holds it.
///
/// Both directions may wait for the disk, or for ever for one that is far away: never on an event loop.
struct AnnounceFile: Sendable {
    struct Announcement: Hashable {
        let association: UUID
        let instance: Target?
    }

    let path: String

    /// Takes the place of what was there at once: a reader sees the old text or the new one. Readable by the owner only:
    /// whoever knows the association may join. Of a link it is the file behind it.
    ///
    /// - Parameter fallback: the relay that was dialled, where it does not say who it is, or not on which port.
    /// - Returns: what went wrong, in a sentence; nil if nothing did.
    func write(_ grant: Grant, fallback: Target) -> String? {
        guard case .meeting(let association) = grant.destination else { return nil }
        let text = "\(association)\n\(self.relay(grant.instance, fallback))\n"
        guard let code = Self.replace(self.path, by: Array(text.utf8)) else { return nil }
        return "cannot write \(self.path): \(Self.reason(code))"
    }

    /// - Returns: the system's number for what went wrong; nil if nothing did.
    private static func replace(_ path: String, by bytes: [UInt8]) -> CInt? {
        let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
        let real = isLink ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
        let draft = "\(real).new"
        _ = unlink(draft)
        let file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { return errno }
        var failure = Self.write(bytes, to: file)
        // Some file systems say only now that there was no room.
        if close(file) != 0, failure == nil { failure = errno }
        if failure == nil, rename(draft, real) != 0 { failure = errno }
        if failure != nil { _ = unlink(draft) }
        return failure
    }

    private static func write(_ bytes: [UInt8], to file: CInt) -> CInt? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { systemWrite(file, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count == 0 || errno != EINTR {
                return count == 0 ? EIO : errno
            }
        }
        return nil
    }

    private static func reason(_ code: CInt) -> String {
        switch code {
        case ENOSPC, EDQUOT: "the disk is full; make room there"
        case ENOENT, ENOTDIR: "its folder is not there; create it"
        case EACCES, EPERM, EROFS: "that is not permitted; change the folder's owner or mode"
        case EISDIR, ENOTEMPTY, EEXIST: "something else has that name; name a file"
        default: "the system says no (error \(code)); check the disk"
        }
    }

    private func relay(_ instance: String?, _ fallback: Target) -> Target {
        guard let instance, let target = try? Target(parsing: instance, defaultPort: fallback.port) else {
            return fallback
        }
        return target
    }

    /// Why there is no association, for the log.
    func sentence(_ refusal: Refusal) -> String {
        let hint = refusal.hint.map { "; \($0)" } ?? ""
        return "there is no association: \(self.path) \(refusal.what ?? "cannot be read")\(hint)"
    }

    /// - Throws: a ``Refusal`` whose sentence follows the path, if the file is not there or holds no association.
    func read() throws(Refusal) -> Announcement {
        let text = try TextFile.read(self.path, limit: 4 << 10)
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        guard let first = lines.first, let association = UUID(uuidString: first) else {
            throw Refusal("holds no association in its first line", hint: "write there what the accepter was told")
        }
        let instance = lines.dropFirst().first.flatMap { try? Target(parsing: $0, defaultPort: nil) }
        return Announcement(association: association, instance: instance)
    }
}

private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
