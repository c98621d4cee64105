// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing
import WarrenLoop
import WarrenRuntime
import WarrenTesting

@testable import WarrenAssembly

@Suite struct FileWatcherTests {
    private let loop = Loops(threads: 1).next()

    @Test func aStampStaysWhileNothingChanges() throws {
        let folder = try TemporaryFolder()
        folder.write("a.dat", "1")
        #expect(FileStamp(of: [folder.path]) == FileStamp(of: [folder.path]))
    }

    @Test func aStampTellsNewGoneAndLongerFiles() throws {
        let folder = try TemporaryFolder()
        folder.write("a.dat", "1")
        let first = FileStamp(of: [folder.path])
        folder.write("b.dat", "1")
        let second = FileStamp(of: [folder.path])
        folder.write("b.dat", "12")
        let third = FileStamp(of: [folder.path])
        try FileManager.default.removeItem(atPath: "\(folder.path)/b.dat")
        let fourth = FileStamp(of: [folder.path])
        #expect(first != second && second != third && third != fourth)
        #expect(fourth == first)
    }

    @Test("a stamp tells an exchange by a rename, though size and time are the same")
    func aStampTellsARename() throws {
        let folder = try TemporaryFolder()
        let path = folder.write("a.pem", "1")
        let fresh = folder.write("fresh", "2")
        let date = Date(timeIntervalSince1970: 1_000_000)
        for file in [path, fresh] {
            try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: file)
        }
        let before = FileStamp(of: [path])
        #expect(rename(fresh, path) == 0)
        #expect(FileStamp(of: [path]) != before)
    }

    @Test func aFileThatIsNotThereHasAStampToo() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/later"
        let before = FileStamp(of: [path])
        folder.write("later", "")
        #expect(FileStamp(of: [path]) != before)
    }

    @Test(.timeLimit(.minutes(1))) func readsChangedFilesAgain() async throws {
        let folder = try TemporaryFolder()
        let path = folder.write("a", "1")
        let (reloads, tell) = AsyncStream<Void>.makeStream()
        let watcher = FileWatcher(on: loop)
        watcher.watch([.init(paths: [path]) { tell.yield() }], for: loop)
        // Before it runs: what it compares with is how the files were when it was made.
        folder.write("a", "other")
        let run = Task { try await watcher.run() }
        for await _ in reloads { break }
        run.cancel()
        try await run.value
    }

    @Test("a link behind a link may be exchanged, and a mode is a change, but a touch is none")
    func aStampLooksBehindLinksAndAtContent() throws {
        let folder = try TemporaryFolder()
        let files = FileManager.default
        for (name, text) in [("one", "1"), ("two", "2")] {
            try files.createDirectory(atPath: "\(folder.path)/\(name)", withIntermediateDirectories: true)
            folder.write("\(name)/tls.crt", text)
        }
        try files.createSymbolicLink(atPath: "\(folder.path)/data", withDestinationPath: "one")
        try files.createSymbolicLink(atPath: "\(folder.path)/tls.crt", withDestinationPath: "data/tls.crt")
        let path = "\(folder.path)/tls.crt"
        let before = FileStamp(of: [path])
        try files.createSymbolicLink(atPath: "\(folder.path)/fresh", withDestinationPath: "two")
        #expect(rename("\(folder.path)/fresh", "\(folder.path)/data") == 0)
        let after = FileStamp(of: [path], after: before)
        #expect(after != before)
        let old = Date(timeIntervalSince1970: 1)
        try files.setAttributes([.modificationDate: old], ofItemAtPath: "\(folder.path)/two/tls.crt")
        #expect(FileStamp(of: [path], after: after) == after)
        // The same size, within one grain of the clock.
        folder.write("two/tls.crt", "3")
        #expect(FileStamp(of: [path], after: after) != after)
    }

    @Test func aReloadThatFailedIsTriedAgainThoughNothingChanges() throws {
        let folder = try TemporaryFolder()
        let path = folder.write("a", "1")
        let calls = Calls()
        let watcher = FileWatcher(on: loop)
        watcher.watch([.init(paths: [path]) { try calls.fail(times: 2) }], for: loop)
        watcher.checkNow()
        #expect(calls.count == 0)
        folder.write("a", "2")
        for _ in 0..<5 { watcher.checkNow() }
        #expect(calls.count == 3)
    }

    @Test func eachReasonIsToldOnceAndSoIsTheEndOfTheTrouble() throws {
        let folder = try TemporaryFolder()
        let path = folder.write("a", "1")
        let (calls, log) = (Calls(), NodeLog())
        let watched = FileWatcher.Watched(paths: [path]) { try calls.fail(times: 3) }
        let watcher = FileWatcher(on: loop)
        watcher.watch([watched.reporting(to: Reporter(logger: log.logger), about: "front")], for: calls)
        folder.write("a", "2")
        for _ in 0..<6 { watcher.checkNow() }
        #expect(log.lines.count == 2)
        #expect(log.lines.first?.contains("front: files have changed; the old files stay in use: broken") == true)
        #expect(log.lines.last?.contains("front: read changed files again") == true)
    }

    private final class Calls: Sendable {
        private let made = Mutex(0)
        var count: Int { self.made.withLock { $0 } }

        func fail(times: Int) throws {
            let number = self.made.withLock { made in
                made += 1
                return made
            }
            if number <= times { throw Broken() }
        }
    }
}

private struct Broken: Error, CustomStringConvertible { let description = "broken" }
