// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Descriptors that one thread waits for, by index.
struct LoadPoll {
    struct Interest: OptionSet {
        let rawValue: Int16

        static let reading = Interest(rawValue: Int16(POLLIN))
        static let writing = Interest(rawValue: Int16(POLLOUT))
    }

    private var entries: [pollfd] = []

    init(capacity: Int) { self.entries.reserveCapacity(capacity) }

    var count: Int { self.entries.count }

    mutating func append(_ descriptor: CInt, _ interest: Interest) {
        self.entries.append(pollfd(fd: descriptor, events: interest.rawValue, revents: 0))
    }

    mutating func replace(_ index: Int, by descriptor: CInt, _ interest: Interest) {
        self.entries[index] = pollfd(fd: descriptor, events: interest.rawValue, revents: 0)
    }

    mutating func set(_ index: Int, _ interest: Interest) { self.entries[index].events = interest.rawValue }

    /// The place stays, and is never ready again.
    mutating func silence(_ index: Int) { self.replace(index, by: -1, []) }

    /// The last one takes the place.
    mutating func removeSwapping(_ index: Int) {
        self.entries.swapAt(index, self.entries.count - 1)
        self.entries.removeLast()
    }

    /// Waits for at least one descriptor.
    ///
    /// - Parameter seconds: nil is for ever.
    /// - Throws: when nothing happened in time.
    mutating func wait(seconds: Int?) throws {
        while true {
            let ready = poll(&self.entries, nfds_t(self.entries.count), seconds.map { CInt($0) * 1000 } ?? -1)
            if ready > 0 { return }
            if ready == 0 { throw LoadFailure("no answer in \(seconds ?? 0) s") }
            guard errno == EINTR else { throw LoadFailure.system("cannot poll") }
        }
    }

    /// Whether there is something to do, an error included: the next call on the descriptor tells it.
    func isReady(_ index: Int) -> Bool { self.entries[index].revents != 0 }

    func canRead(_ index: Int) -> Bool { self.entries[index].revents & ~Int16(POLLOUT) != 0 }
}
