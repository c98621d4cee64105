// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import Crypto
import Foundation
import WarrenConfiguration

/// What is in a set of files, those in folders included, behind every link.
///
/// Judged by content. What the system says of a file only tells whether it must be read again: not while that is older
/// than any clock's grain.
struct FileStamp: Equatable {
    /// Files that are unreadable or too long for any reader have no content, so that a new mode is a change.
    private var contents: [String: SHA256Digest?] = [:]
    private var facts: [String: Facts] = [:]
    private static let longest = 4 << 20
    private static let grain: Int64 = 3

    private struct Facts: Equatable {
        let device: UInt64
        let number: UInt64
        let size: Int64
        let mode: UInt32
        /// In nanoseconds: of what is said of it, and of its content.
        let changed: [Int64]
        let isDirectory: Bool
        let isFile: Bool

        init?(_ path: String) {
            var facts = cws_file_facts()
            guard cws_facts_of_file(path, &facts) == 0 else { return nil }
            self.device = facts.device
            self.number = facts.number
            self.size = facts.size
            self.mode = facts.mode
            self.changed = [facts.changed, facts.modified]
            self.isDirectory = facts.is_directory != 0
            self.isFile = facts.is_file != 0
        }

        /// A file that was written just now may be written again without a sign of it.
        func isOld(_ now: Int64) -> Bool {
            self.changed.first.map { $0 / 1_000_000_000 < now &- FileStamp.grain } ?? false
        }
    }

    /// - Parameter previous: what is sure to be the same is taken from there.
    init(of paths: [String], after previous: FileStamp? = nil) {
        let now = Int64(Date().timeIntervalSince1970)
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

    private mutating func take(_ path: String, _ facts: Facts, _ previous: FileStamp?, _ now: Int64) {
        self.facts[path] = facts
        if facts.isOld(now), previous?.facts[path] == facts, let known = previous?.contents[path] {
            self.contents[path] = .some(known)
        } else {
            self.contents[path] = .some(facts.isFile ? Self.digest(path) : nil)
        }
    }

    private static func digest(_ path: String) -> SHA256Digest? {
        (try? NamedFile.read(path, limit: Self.longest)).map { SHA256.hash(data: $0) }
    }

    static func == (left: FileStamp, right: FileStamp) -> Bool { left.contents == right.contents }
}
