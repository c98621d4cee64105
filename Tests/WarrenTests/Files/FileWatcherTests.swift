// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Warren

@Suite struct FileWatcherTests {
    @Test func aStampStaysWhileNothingChanges() throws {
        let folder = try TemporaryFolder()
        folder.write("a.dat", "1")
        #expect(FileWatcher.stamp(of: [folder.path]) == FileWatcher.stamp(of: [folder.path]))
    }

    @Test func aStampTellsNewGoneAndLongerFiles() throws {
        let folder = try TemporaryFolder()
        folder.write("a.dat", "1")
        let first = FileWatcher.stamp(of: [folder.path])
        folder.write("b.dat", "1")
        let second = FileWatcher.stamp(of: [folder.path])
        folder.write("b.dat", "12")
        let third = FileWatcher.stamp(of: [folder.path])
        try FileManager.default.removeItem(atPath: "\(folder.path)/b.dat")
        #expect(Set([first, second, third, FileWatcher.stamp(of: [folder.path])]).count == 4)
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
        let before = FileWatcher.stamp(of: [path])
        #expect(rename(fresh, path) == 0)
        #expect(FileWatcher.stamp(of: [path]) != before)
    }

    @Test func aFileThatIsNotThereHasAStampToo() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/later"
        let before = FileWatcher.stamp(of: [path])
        folder.write("later", "")
        #expect(FileWatcher.stamp(of: [path]) != before)
    }

    @Test(.timeLimit(.minutes(1))) func readsChangedFilesAgain() async throws {
        let folder = try TemporaryFolder()
        let path = folder.write("a", "1")
        let (reloads, tell) = AsyncStream<Void>.makeStream()
        let watcher = FileWatcher([.init(paths: [path]) { tell.yield() }])
        // Before it runs: what it compares with is how the files were when it was made.
        folder.write("a", "other")
        let run = Task { try await watcher.run() }
        for await _ in reloads { break }
        run.cancel()
        try await run.value
    }
}
