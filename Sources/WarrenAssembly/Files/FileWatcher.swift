// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import ServiceLifecycle
import Synchronization
package import WarrenLoop
import WarrenRuntime

/// Looks once a second whether files have changed and has them read again, until that has worked.
///
/// Polling works on every file system (overlays and network mounts tell nobody of changes), and a second is soon enough.
package final class FileWatcher: Service {
    /// A set of files that belong together.
    package struct Watched: Sendable {
        package var paths: [String] { self.find() }
        private let find: @Sendable () -> [String]
        /// Called after a change; what it throws is the sentence for the log, and it is called again then.
        package var reload: @Sendable () throws -> Void
        /// What deserves a warning once a day, such as a certificate that ends soon.
        package var inspect: @Sendable () -> [String]

        /// - Parameter paths: asked at every look, as files may come and go.
        package init(
            paths: @escaping @Sendable @autoclosure () -> [String],
            inspect: @escaping @Sendable () -> [String] = { [] },
            reload: @escaping @Sendable () throws -> Void
        ) {
            self.find = paths
            self.inspect = inspect
            self.reload = reload
        }

        /// The same, telling what came of it: each reason once, and the end of the trouble.
        func reporting(to reporter: Reporter, about name: String) -> Watched {
            let trouble = Trouble()
            return Watched(paths: self.paths) {
                let notes = self.inspect()
                for note in notes { reporter.emit(.warn("\(name): \(note)")) }
                return notes
            } reload: {
                do {
                    try self.reload()
                    _ = trouble.isNews(nil)
                    reporter.emit(.note("\(name): read changed files again"))
                } catch {
                    let reason = error is FilesLeftOut ? "\(error)" : "the old files stay in use: \(error)"
                    if trouble.isNews(reason) { reporter.emit(.warn("\(name): files have changed; \(reason)")) }
                    throw error
                }
            }
        }
    }

    /// The reason that was told last.
    private final class Trouble: Sendable {
        private let last = Mutex<String?>(nil)

        func isNews(_ reason: String?) -> Bool {
            self.last.withLock { last in
                defer { last = reason }
                return last != reason
            }
        }
    }

    private struct Entry {
        let owner: ObjectIdentifier
        let watched: Watched
        /// As the files were when the configuration had just been read, at first.
        var stamp: FileStamp
        var hasFailed = false
    }

    private let loop: SocketLoop
    private let entries = Mutex<[Entry]>([])
    private static let day = 86_400

    /// - Parameter loop: whose timer says when to look.
    package init(on loop: SocketLoop) { self.loop = loop }

    /// Whether there is anything to look at.
    package var isIdle: Bool { self.entries.withLock { $0.isEmpty } }

    package func watch(_ watched: [Watched], for owner: AnyObject) {
        let new = watched.map {
            Entry(owner: ObjectIdentifier(owner), watched: $0, stamp: FileStamp(of: $0.paths))
        }
        self.entries.withLock { $0 += new }
    }

    package func forget(_ owner: AnyObject) {
        let owner = ObjectIdentifier(owner)
        self.entries.withLock { entries in entries.removeAll { $0.owner == owner } }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var seconds = 0
            // A timer, not a wait for an event: nothing announces a change. The files are read off the loop.
            for await _ in self.ticks() {
                self.check()
                seconds += 1
                guard seconds >= Self.day else { continue }
                seconds = 0
                for entry in self.entries.withLock({ $0 }) { _ = entry.watched.inspect() }
            }
        }
    }

    /// Every second, as long as somebody listens. By a loop's timer, which goes by a clock that nobody sets.
    private func ticks() -> AsyncStream<Void> {
        let loop = self.loop
        let (ticks, tell) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        @Sendable func arm() {
            _ = loop.timer(in: .seconds(1)) {
                if case .terminated = tell.yield() { return }
                arm()
            }
        }
        loop.execute { arm() }
        return ticks
    }

    /// Looks at once, and reads every file to do so.
    package func checkNow() { self.check(trustsFacts: false) }

    private func check(trustsFacts: Bool = true) {
        // The lock keeps two checks apart: a reload is never under way twice.
        self.entries.withLock { all in
            for index in all.indices {
                let before = all[index]
                let stamp = FileStamp(of: before.watched.paths, after: trustsFacts ? before.stamp : nil)
                all[index].stamp = stamp
                guard stamp != before.stamp || before.hasFailed else { continue }
                do {
                    try before.watched.reload()
                    all[index].hasFailed = false
                    _ = before.watched.inspect()
                } catch {
                    all[index].hasFailed = true
                }
            }
        }
    }
}

/// A reload that has taken what it could and left out the rest.
struct FilesLeftOut: Error, CustomStringConvertible {
    let description: String

    /// - Parameter sentences: what is wrong with each file.
    init(_ sentences: [String]) {
        let shown = sentences.prefix(10).joined(separator: "; ")
        let more = sentences.count > 10 ? "; and \(sentences.count - 10) more" : ""
        self.description = "these are not used, all others are: \(shown)\(more)"
    }
}
