// SPDX-License-Identifier: Apache-2.0

import CWarrenSystem
import Foundation

/// A descriptor that takes whole lines: one that could only be begun is completed or taken back.
struct LogSink {
    private let descriptor: CInt
    /// What is missing of a line that was begun.
    private var rest: ArraySlice<UInt8> = []

    init(_ descriptor: CInt) {
        self.descriptor = descriptor
        // Whoever empties the file (logrotate's copytruncate) finds the next line at its beginning, not behind a hole.
        guard self.size != nil else { return }
        let flags = fcntl(descriptor, F_GETFL)
        if flags >= 0 { _ = fcntl(descriptor, F_SETFL, flags | O_APPEND) }
    }

    /// Writes lines, waiting for room where the descriptor has a reader that may make some.
    ///
    /// - Returns: how many of them were lost.
    mutating func put(_ lines: [UInt8]) -> Int {
        guard self.completeLast() else { return Self.count(lines[...]) }
        let left = self.write(lines[...])
        guard !left.isEmpty, left.startIndex > 0, lines[left.startIndex - 1] != Self.lineEnd else {
            return Self.count(left)
        }
        // A line was begun.
        let begun = lines[..<left.startIndex]
        let length = begun.count - (begun.lastIndex(of: Self.lineEnd).map { $0 + 1 } ?? 0)
        let end = left.firstIndex(of: Self.lineEnd) ?? left.endIndex - 1
        if self.takeBack(length) { return Self.count(left) }
        self.rest = left[...end]
        return Self.count(left[(end + 1)...])
    }

    /// - Returns: false if a line is still incomplete.
    private mutating func completeLast() -> Bool {
        guard !self.rest.isEmpty else { return true }
        self.rest = self.write(self.rest)
        return self.rest.isEmpty
    }

    /// - Returns: what could not be written.
    private func write(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var left = bytes
        while !left.isEmpty {
            let count = left.withUnsafeBytes { Foundation.write(self.descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                left = left.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR where count < 0: continue
            case EAGAIN where count < 0: self.waitForRoom()
            default: return left
            }
        }
        return left
    }

    /// Somebody made standard error not wait, as ssh does for its ProxyCommand; here is a thread that can.
    private func waitForRoom() {
        var entry = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
        while poll(&entry, 1, -1) < 0, errno == EINTR {}
    }

    /// Cuts the file by the beginning of a line, if it still ends with it.
    private func takeBack(_ length: Int) -> Bool {
        guard let size = self.size, lseek(self.descriptor, 0, SEEK_CUR) == size, size >= length else { return false }
        guard ftruncate(self.descriptor, size - off_t(length)) == 0 else { return false }
        return lseek(self.descriptor, 0, SEEK_END) >= 0
    }

    /// Of a file; nil for anything else.
    private var size: off_t? {
        let size = cws_size_of_file(self.descriptor)
        return size < 0 ? nil : off_t(size)
    }

    private static let lineEnd = UInt8(ascii: "\n")

    /// Lines that end in these bytes.
    private static func count(_ bytes: ArraySlice<UInt8>) -> Int { bytes.count { $0 == Self.lineEnd } }
}
