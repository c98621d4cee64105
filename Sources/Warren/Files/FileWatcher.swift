// SPDX-License-Identifier: Apache-2.0

import Foundation
import ServiceLifecycle
import WarrenRuntime

/// Looks once a second whether files have changed and has them read again.
///
/// Polling works on every file system (overlays and network mounts tell nobody of changes), and a second is soon enough.
package struct FileWatcher: Service {
    /// A set of files that belong together.
    package struct Watched: Sendable {
        package var paths: [String]
        /// Called after a change; what it throws is the sentence for the log.
        package var reload: @Sendable () throws -> Void

        package init(paths: [String], reload: @escaping @Sendable () throws -> Void) {
            self.paths = paths
            self.reload = reload
        }

        /// The same, telling what came of it.
        func reporting(to reporter: Reporter, about name: String) -> Watched {
            Watched(paths: self.paths) {
                do {
                    try self.reload()
                    reporter.note("\(name): read changed files again")
                } catch {
                    reporter.warn("\(name): files have changed and the old ones stay in use: \(error)")
                }
            }
        }
    }

    private let watched: [Watched]

    /// As they were when the configuration had just been read.
    private let first: [[String]]

    package init(_ watched: [Watched]) {
        self.watched = watched
        self.first = watched.map { Self.stamp(of: $0.paths) }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var stamps = self.first
            // A timer, not a wait for an event: nothing announces a change.
            while (try? await Task.sleep(for: .seconds(1))) != nil {
                for (index, entry) in self.watched.enumerated() {
                    let stamp = Self.stamp(of: entry.paths)
                    guard stamp != stamps[index] else { continue }
                    stamps[index] = stamp
                    try? entry.reload()
                }
            }
        }
    }

    /// Names, sizes and times of all files, those in folders included.
    static func stamp(of paths: [String]) -> [String] {
        let files = FileManager.default
        return paths.flatMap { path -> [String] in
            let inside = (try? files.contentsOfDirectory(atPath: path))?.sorted().map { path + "/" + $0 } ?? []
            return ([path] + inside).map { file in
                let facts = try? files.attributesOfItem(atPath: file)
                let time = (facts?[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
                let number = (facts?[.systemFileNumber] as? NSNumber)?.uint64Value ?? 0
                return "\(file) \(number) \((facts?[.size] as? NSNumber)?.uint64Value ?? 0) \(time)"
            }
        }
    }
}
