// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What is in a set of files, those in folders included, behind every link.
///
/// Judged by content. What the system says of a file only tells whether it must be read again: not while that is older
/// than any clock's grain.
struct FileStamp: Equatable {
    /// Unreadable files have no content, so that a new mode is a change.
    private var contents: [String: SHA256Digest?] = [:]
    private var facts: [String: Facts] = [:]
    private static let longest = 4 << 20
    private static let grain = 3

    private struct Facts: Equatable {
        let device: UInt64
        let number: UInt64
        let size: Int64
        let mode: UInt32
        let changed: [Int]

        init?(_ path: String) {
            var facts = stat()
            guard stat(path, &facts) == 0 else { return nil }
            self.device = UInt64(truncatingIfNeeded: facts.st_dev)
            self.number = UInt64(truncatingIfNeeded: facts.st_ino)
            self.size = Int64(facts.st_size)
            self.mode = UInt32(truncatingIfNeeded: facts.st_mode)
            #if canImport(Darwin)
            let (changed, modified) = (facts.st_ctimespec, facts.st_mtimespec)
            #else
            let (changed, modified) = (facts.st_ctim, facts.st_mtim)
            #endif
            self.changed = [changed.tv_sec, changed.tv_nsec, modified.tv_sec, modified.tv_nsec]
        }

        var isDirectory: Bool { self.mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }
        var isFile: Bool { self.mode & UInt32(S_IFMT) == UInt32(S_IFREG) }

        /// A file that was written just now may be written again without a sign of it.
        func isOld(_ now: Int) -> Bool { self.changed.first.map { $0 < now &- FileStamp.grain } ?? false }
    }

    /// - Parameter previous: what is sure to be the same is taken from there.
    init(of paths: [String], after previous: FileStamp? = nil) {
        let now = time(nil)
        for path in paths {
            guard let facts = Facts(path) else {
                self.contents[path] = .some(nil)
                continue
            }
            guard facts.isDirectory else {
                self.take(path, facts, previous, now)
                continue
            }
            let names = try? FileManager.default.contentsOfDirectory(atPath: path)
            self.contents[path] = .some(names == nil ? nil : SHA256.hash(data: [UInt8]()))
            for name in names ?? [] {
                let file = "\(path)/\(name)"
                if let facts = Facts(file), !facts.isDirectory { self.take(file, facts, previous, now) }
            }
        }
    }

    private mutating func take(_ path: String, _ facts: Facts, _ previous: FileStamp?, _ now: Int) {
        self.facts[path] = facts
        if facts.isOld(now), previous?.facts[path] == facts, let known = previous?.contents[path] {
            self.contents[path] = .some(known)
        } else {
            self.contents[path] = .some(facts.isFile ? Self.digest(path) : nil)
        }
    }

    private static func digest(_ path: String) -> SHA256Digest? {
        guard let file = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? file.close() }
        guard let data = try? file.read(upToCount: Self.longest) ?? Data() else { return nil }
        return SHA256.hash(data: data)
    }

    static func == (left: FileStamp, right: FileStamp) -> Bool { left.contents == right.contents }
}
