// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Writes lines to a descriptor on a thread of its own, in order, so that a terminal or a pipe that is not read never
/// holds up the work that is told of.
///
/// Lines of the same two milliseconds leave together. Past 1 MiB that nobody reads further ones are dropped and counted.
final class LogWriter: @unchecked Sendable {
    // Sendable: all that changes is touched only while `condition` is locked.
    /// Everything that was logged is written before the process exits by itself, if it can be within a second.
    static let standardError: LogWriter = {
        let writer = LogWriter(STDERR_FILENO)
        atexit { LogWriter.standardError.flush(within: 1) }
        return writer
    }()

    private static let most = 1 << 20
    /// Microseconds. Waking a thread for each line would cost more than the line; this thread has nothing else to do.
    private static let gathering: useconds_t = 2000

    private let descriptor: CInt
    private let condition = NSCondition()
    private var pending: [UInt8] = []
    private var dropped = 0
    private var isIdle = true
    private var hasThread = false

    init(_ descriptor: CInt) { self.descriptor = descriptor }

    func write(_ line: String) {
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

    /// Waits until everything is written, or the time is up.
    func flush(within seconds: Double) {
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
        let (bytes, dropped) = self.next()
        self.put(bytes)
        if dropped > 0 { self.put(Array("(\(dropped) log lines dropped: nobody read them in time)\n".utf8)) }
    }

    /// What is to be written, as soon as there is something.
    private func next() -> (bytes: [UInt8], dropped: Int) {
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
        return (self.pending, self.dropped)
    }

    private func put(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while let start = rest.baseAddress, rest.count > 0 {
                let count = Foundation.write(self.descriptor, start, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }  // nobody can be told that standard error is gone
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            }
        }
    }
}
