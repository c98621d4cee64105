// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import NIOCore
import Testing
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime
import WarrenTesting

@testable import WarrenAssembly

/// Announcements that are read for streams on an event loop.
@Suite(.timeLimit(.minutes(1))) struct AnnounceReaderTests {
    private static let id = "e6ec698c-5793-4c63-af79-bd644ccf022f"

    @Test func everybodyIsAnsweredOnTheLoop() throws {
        let folder = try TemporaryFolder()
        folder.write("at", "\(Self.id)\nrelay.example:443\n")
        let (reader, loop) = (AnnounceReader(AnnounceFile(path: "\(folder.path)/at")), SocketLoop.manual())
        var found: [AnnounceReader.Found] = []
        for _ in 0..<10 { reader.read(on: loop) { found.append($0) } }
        #expect(found.isEmpty)
        while found.count < 10 { loop.runOnce() }
        let target = Target(host: Host("relay.example"), port: 443)
        let expected = AnnounceFile.Announcement(association: try #require(UUID(uuidString: Self.id)), instance: target)
        #expect(found == Array(repeating: .success(expected), count: 10))
        loop.advance(by: .seconds(5))
        #expect(found.count == 10)
    }

    @Test(
        "blanks and an empty line around it, as an editor or `echo` leaves them",
        arguments: [
            "  \(id)\t\n relay.example:443 \n", "\r\n\(id) \r\n\r\nrelay.example:443\r\n\r\n",
        ])
    func blanksAreOfNoAccount(text: String) throws {
        let folder = try TemporaryFolder()
        folder.write("at", text)
        let found = try AnnounceFile(path: "\(folder.path)/at").read()
        #expect(found.association == UUID(uuidString: Self.id))
        #expect(found.instance == Target(host: Host("relay.example"), port: 443))
    }

    @Test("a disk that does not answer holds up nobody for longer than two seconds") func aDiskThatHangs() {
        let disk = DispatchSemaphore(value: 0)
        let reader = AnnounceReader(AnnounceFile(path: "at")) {
            disk.wait()
            return .failure(Refusal("does not exist"))
        }
        let loop = SocketLoop.manual()
        var found: [AnnounceReader.Found] = []
        for _ in 0..<3 { reader.read(on: loop) { found.append($0) } }
        loop.advance(by: .milliseconds(1900))
        #expect(found.isEmpty)
        loop.advance(by: .milliseconds(100))
        #expect(found == Array(repeating: .failure(Refusal("cannot be read: the disk does not answer")), count: 3))
        // Lets the thread go: it finds nothing, and what it finds is for nobody any more.
        disk.signal()
        loop.advance(by: .seconds(5))
        #expect(found.count == 3)
    }

    @Test("a pipe is no announcement, and is not waited for") func pipesAreRefused() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/pipe"
        try #require(mkfifo(path, 0o600) == 0)
        let refusal = #expect(throws: Refusal.self) { try AnnounceFile(path: path).read() }
        #expect(refusal?.what == "is no regular file")
    }
}
