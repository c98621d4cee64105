// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Warren

/// A pipe whose writing end does not wait.
private final class SlowPipe: Sendable {
    let reading: CInt
    let writing: CInt

    init() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        (self.reading, self.writing) = (ends[0], ends[1])
        try #require(fcntl(self.writing, F_SETFL, O_NONBLOCK) == 0)
    }

    deinit {
        close(self.reading)
        close(self.writing)
    }

    /// Reads a line, with its end.
    func line() -> String {
        var line: [UInt8] = []
        while line.last != UInt8(ascii: "\n") { line += self.read(1) }
        return String(decoding: line, as: UTF8.self)
    }

    /// Reads so many bytes, a few at a time.
    func read(_ count: Int) -> [UInt8] {
        var all: [UInt8] = []
        var space = [UInt8](repeating: 0, count: 1000)
        while all.count < count {
            let got = Foundation.read(self.reading, &space, min(space.count, count - all.count))
            guard got > 0 else { break }
            all += space.prefix(got)
        }
        return all
    }
}

/// For what waits: the threads of tasks are few.
private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: body()) }
    }
}

private func lines(_ range: Range<Int>) -> [UInt8] {
    Array(range.map { "line \($0) \(String(repeating: "x", count: $0 % 300))\n" }.joined().utf8)
}

@Suite(.timeLimit(.minutes(1))) struct LogSinkTests {
    @Test("a pipe that does not wait gets every line whole, as soon as its reader makes room")
    func waitsForAPipe() async throws {
        let pipe = try SlowPipe()
        let all = lines(0..<3000)
        async let lost = onThread {
            var sink = LogSink(pipe.writing)
            return sink.put(all)
        }
        #expect(await onThread { pipe.read(all.count) } == all)
        #expect(await lost == 0)
    }

    @Test func aReaderThatHasGoneLosesLinesAndDoesNoHarm() throws {
        signal(SIGPIPE, SIG_IGN)
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        close(ends[0])
        var sink = LogSink(ends[1])
        #expect(sink.put(lines(0..<5)) == 5)
        #expect(sink.put(lines(5..<6)) == 1)
        close(ends[1])
    }

    #if os(Linux)
    @Test func aFullDeviceLosesLinesAndCountsThem() throws {
        let full = open("/dev/full", O_WRONLY)
        try #require(full >= 0)
        var sink = LogSink(full)
        #expect(sink.put(lines(0..<7)) == 7)
        #expect(sink.put([]) == 0)
        close(full)
    }
    #endif

    @Test("a file that was emptied goes on at its beginning, not behind a hole")
    func goesOnInAnEmptiedFile() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "warren-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        try #require(file >= 0)
        var sink = LogSink(file)
        #expect(sink.put(lines(0..<5)) == 0)
        try #require(truncate(path, 0) == 0)
        #expect(sink.put(lines(5..<9)) == 0)
        close(file)
        #expect(try Array(Data(contentsOf: URL(filePath: path))) == lines(5..<9))
    }
}

@Suite(.timeLimit(.minutes(1))) struct LogWriterTests {
    @Test("past a mebibyte that nobody reads lines are dropped whole, and one line says how many")
    func countsWhatItDrops() async throws {
        let pipe = try SlowPipe()
        let writer = LogWriter(pipe.writing)
        writer.describeLoss { "lost \($0)\n" }
        let line = String(repeating: "y", count: 999) + "\n"
        for _ in 0..<4000 { writer.write(line) }
        let all = await onThread {
            var text = ""
            var accounted = 0
            while accounted < 4000 {
                let line = pipe.line()
                text += line
                accounted += line.hasPrefix("lost ") ? Int(line.dropFirst(5).dropLast()) ?? 0 : 1
            }
            return text
        }
        let lines = all.split(separator: "\n")
        let whole = lines.count { $0.count == 999 }
        let told = lines.compactMap { $0.hasPrefix("lost ") ? Int($0.dropFirst(5)) : nil }.reduce(0, +)
        #expect(whole + told == 4000)
        #expect(told > 0)
        #expect(lines.count == whole + lines.count { $0.hasPrefix("lost ") })
    }
}
