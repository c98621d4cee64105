// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Writes lines to a descriptor on a thread of its own, in order, so that a terminal or a pipe that is not read never
/// holds up the work that is told of.
///
/// Lines of the same two milliseconds leave together. What cannot be written (past 1 MiB that nobody reads, a full disk,
/// a reader that has gone) is dropped by whole lines and counted, and one line says how many when there is room again.
package final class LogWriter: @unchecked Sendable {
    // Sendable: all that changes is touched only while `condition` is locked, but for `sink`, which is the thread's.
    /// Everything that was logged is written before the process exits by itself, if it can be within a second.
    package static let standardError: LogWriter = {
        let writer = LogWriter(STDERR_FILENO)
        atexit { LogWriter.standardError.flush(within: 1) }
        return writer
    }()

    private static let most = 1 << 20
    /// Microseconds. Waking a thread for each line would cost more than the line; this thread has nothing else to do.
    private static let gathering: useconds_t = 2000

    private let condition = NSCondition()
    private var pending: [UInt8] = []
    private var dropped = 0
    private var isIdle = true
    private var hasThread = false
    private var describe: @Sendable (Int) -> String = { "(\($0) log lines dropped)\n" }
    private var sink: LogSink

    init(_ descriptor: CInt) { self.sink = LogSink(descriptor) }

    /// - Parameter line: with its line feed.
    package func write(_ line: String) {
        self.condition.lock()
        if self.pending.count < Self.most {
            self.pending.append(contentsOf: line.utf8)
        } else {
            self.dropped += 1
        }
        if !self.hasThread {
            self.hasThread = true
            self.startThread()
        }
        if self.isIdle {
            self.isIdle = false
            self.condition.broadcast()
        }
        self.condition.unlock()
    }

    /// - Parameter line: makes the line that says how many lines were dropped, with its line feed.
    func describeLoss(as line: @escaping @Sendable (Int) -> String) {
        self.condition.lock()
        self.describe = line
        self.condition.unlock()
    }

    /// Waits until everything is written, or the time is up.
    package func flush(within seconds: Double) {
        let end = Date(timeIntervalSinceNow: seconds)
        self.condition.lock()
        while !self.isIdle, self.condition.wait(until: end) {}
        self.condition.unlock()
    }

    private func startThread() {
        let thread = Thread { while true { self.writeNext() } }
        thread.name = "warren-log"
        thread.start()
    }

    private func writeNext() {
        let (bytes, dropped, describe) = self.next()
        var lost = dropped + self.sink.put(bytes)
        // Told as soon as it can be; what is lost from now on is told with it or later.
        if lost > 0, self.sink.put(Array(describe(lost).utf8)) == 0 { lost = 0 }
        guard lost > 0 else { return }
        self.condition.lock()
        self.dropped += lost
        self.condition.unlock()
    }

    /// What is to be written, as soon as there is something.
    private func next() -> (bytes: [UInt8], dropped: Int, describe: (Int) -> String) {
        self.condition.lock()
        if self.pending.isEmpty {
            self.isIdle = true
            self.condition.broadcast()
            while self.pending.isEmpty { self.condition.wait() }
            self.condition.unlock()
            usleep(Self.gathering)
            self.condition.lock()
        }
        defer { self.condition.unlock() }
        defer { (self.pending, self.dropped) = ([], 0) }
        return (self.pending, self.dropped, self.describe)
    }
}
