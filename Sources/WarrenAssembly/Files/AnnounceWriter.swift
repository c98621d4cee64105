// SPDX-License-Identifier: Apache-2.0

import Dispatch
import NIOCore
import Synchronization
import WarrenConfiguration
import WarrenCore

/// Writes an ``AnnounceFile`` on a queue of its own, the newest announcement only, and tries again until it is written.
final class AnnounceWriter: Sendable {
    private struct State {
        var newest: (grant: Grant, fallback: Target)?
        /// A run of the queue will look at `newest`.
        var isQueued = false
        var isRetrying = false
        /// The failure that was told last.
        var told: String?
        var pause = Self.shortestPause

        static let shortestPause = 1
    }

    private static let longestPause = 30

    private let file: AnnounceFile
    private let warn: @Sendable (String) -> Void
    private let note: @Sendable (String) -> Void
    private let queue = DispatchQueue(label: "warren.announce")
    private let state = Mutex(State())

    /// - Parameters:
    ///   - warn: told what cannot be written, once for each cause.
    ///   - note: told that it can be written again.
    init(
        _ file: AnnounceFile, warn: @escaping @Sendable (String) -> Void, note: @escaping @Sendable (String) -> Void
    ) {
        self.file = file
        self.warn = warn
        self.note = note
    }

    /// Returns at once, whatever the disk does.
    func announce(_ grant: Grant, fallback: Target) {
        let isFirst = self.state.withLock { state in
            state.newest = (grant, fallback)
            defer { state.isQueued = true }
            return !state.isQueued
        }
        if isFirst { self.queue.async { self.run() } }
    }

    private func run() {
        let newest = self.state.withLock { state in
            state.isQueued = false
            defer { state.newest = nil }
            return state.newest
        }
        guard let newest else { return }
        if let problem = self.file.write(newest.grant, fallback: newest.fallback) {
            self.failed(problem, newest)
        } else {
            self.succeeded()
        }
    }

    private func succeeded() {
        let wasTold = self.state.withLock { state in
            state.pause = State.shortestPause
            defer { state.told = nil }
            return state.told != nil
        }
        if wasTold { self.note("\(self.file.path) is written again") }
    }

    private func failed(_ problem: String, _ unwritten: (grant: Grant, fallback: Target)) {
        let (isNew, pause) = self.state.withLock { state -> (Bool, Int?) in
            defer { state.told = problem }
            state.newest = state.newest ?? unwritten
            guard !state.isRetrying else { return (state.told != problem, nil) }
            state.isRetrying = true
            defer { state.pause = min(2 * state.pause, Self.longestPause) }
            return (state.told != problem, state.pause)
        }
        if isNew { self.warn(problem) }
        guard let pause else { return }
        self.queue.asyncAfter(deadline: .now() + .seconds(pause)) {
            self.state.withLock { $0.isRetrying = false }
            self.run()
        }
    }
}
