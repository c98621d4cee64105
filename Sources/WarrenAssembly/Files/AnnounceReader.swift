// SPDX-License-Identifier: Apache-2.0

import Dispatch
import NIOCore
import Synchronization
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime

/// Reads an ``AnnounceFile`` on a queue of its own, for whoever asks on an event loop. A disk that does not answer holds up
/// one thread, and nobody for longer than a while.
final class AnnounceReader: Sendable {
    /// An announcement, or why there is none: a sentence that follows the path.
    typealias Found = Result<AnnounceFile.Announcement, Refusal>

    private typealias Waiter = @Sendable (Found) -> Void

    private struct State {
        /// Those for whom the next read is: one that is under way may have seen what was there before they asked.
        var waiting: [Waiter] = []
        var isBusy = false
    }

    private static let isSilent = Found.failure(Refusal("cannot be read: the disk does not answer"))

    /// How long a disk may take.
    private static let timeout = TimeAmount.seconds(2)
    /// More wait for a disk that hangs than it will ever serve.
    private static let mostWaiting = 1000

    let file: AnnounceFile
    private let take: @Sendable () -> Found
    private let queue = DispatchQueue(label: "warren.association")
    private let state = Mutex(State())

    convenience init(_ file: AnnounceFile) {
        self.init(file) { Found { () throws(Refusal) in try file.read() } }
    }

    /// - Parameter take: reads the file, and may wait for the disk.
    init(_ file: AnnounceFile, take: @escaping @Sendable () -> Found) {
        self.file = file
        self.take = take
    }

    /// - Parameter answer: called once on `loop`.
    func read(on loop: SocketLoop, answer: @escaping (Found) -> Void) {
        let answer = NIOLoopBound(Answer(answer), eventLoop: loop)
        answer.value.timer = loop.timer(in: Self.timeout) { answer.value.give(Self.isSilent) }
        let isFirst = self.state.withLock { state -> Bool? in
            guard state.waiting.count < Self.mostWaiting else { return nil }
            state.waiting.append { found in loop.execute { answer.value.give(found) } }
            defer { state.isBusy = true }
            return !state.isBusy
        }
        switch isFirst {
        case true?: self.queue.async { self.run() }
        case false?: break
        case nil: answer.value.give(Self.isSilent)
        }
    }

    private func run() {
        while let waiting = self.next() {
            let found = self.take()
            for waiter in waiting { waiter(found) }
        }
    }

    private func next() -> [Waiter]? {
        self.state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.isBusy = false
                return nil
            }
            defer { state.waiting = [] }
            return state.waiting
        }
    }

    /// What is said once, whoever is first.
    private final class Answer {
        var timer: LoopTimer?
        private var answer: ((Found) -> Void)?

        init(_ answer: @escaping (Found) -> Void) { self.answer = answer }

        func give(_ found: Found) {
            self.timer?.cancel()
            self.timer = nil
            let answer = self.answer
            self.answer = nil
            answer?(found)
        }
    }
}
