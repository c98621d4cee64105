// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenConfiguration
import WarrenCore
import WarrenJProxy
import WarrenRuntime
import WarrenTesting

@testable import WarrenAssembly

private let place = Place(file: "a.yaml", line: 3, column: 5)

private func loadUsers(in folder: String, _ findings: Findings = Findings()) -> JProxyUsers? {
    JProxyUsers(folder: folder, dialect: .deployed, at: place, findings)
}

/// What the owner of a key file says at login.
private func login(of clientFile: String) throws -> Claim {
    let key = try #require(
        JProxyKeys.clientKey(at: Located(clientFile, at: place), .deployed, Findings())
    )
    return Claim(identity: key.hash)
}

private func mode(of path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
}

@Suite struct JProxyFilesTests {
    @Test func writesAKeyThatItsUsersFolderAccepts() async throws {
        let folder = try TemporaryFolder()
        let written = try JProxyKeys.write(name: "alice", to: folder.path)
        #expect(written.clientFile == "\(folder.path)/key.dat")
        #expect(written.userFile.hasPrefix("\(folder.path)/users/"))
        #expect(try mode(of: written.clientFile) == 0o600)
        let users = try #require(loadUsers(in: "\(folder.path)/users"))
        let claim = try login(of: written.clientFile)
        guard case .accepted(let name, let credential) = await users.judge(claim, from: nil) else {
            Issue.record("the user was denied")
            return
        }
        #expect(name == "alice")
        #expect(credential.count == 294)
        #expect(await users.judge(Claim(identity: [1, 2, 3]), from: nil) == .denied)
        #expect(await users.judge(Claim(identity: []), from: nil) == .denied)
    }

    @Test func whoHasTheSameKeyIsLetInAfterAReload() throws {
        let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
        try JProxyKeys.write(name: "alice", to: one.path)
        try JProxyKeys.write(name: "alice", to: two.path)
        let before = try #require(loadUsers(in: "\(one.path)/users"))
        let same = try #require(loadUsers(in: "\(one.path)/users"))
        let other = try #require(loadUsers(in: "\(two.path)/users"))
        #expect(same.admits("alice", letInBy: before) && !same.admits("bob", letInBy: before))
        #expect(!same.admits(nil, letInBy: before) && !same.admits("alice", letInBy: NoAuthenticator()))
        #expect(!other.admits("alice", letInBy: before))
    }

    @Test func neverOverwrites() throws {
        let folder = try TemporaryFolder()
        try JProxyKeys.write(name: "alice", to: folder.path)
        let before = try Data(contentsOf: URL(filePath: "\(folder.path)/key.dat"))
        let error = #expect(throws: JProxyFileError.self) { try JProxyKeys.write(name: "bob", to: folder.path) }
        #expect(
            error?.description
                == "\(folder.path)/key.dat is there already; move it away, or choose another folder with --out"
        )
        #expect(try Data(contentsOf: URL(filePath: "\(folder.path)/key.dat")) == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/users").count == 1)
        #expect(throws: JProxyFileError.self) { try JProxyKeys.write(name: "", to: "\(folder.path)/other") }
    }

    @Test func anEmptyFolderIsNoted() throws {
        let folder = try TemporaryFolder()
        let findings = Findings()
        #expect(loadUsers(in: folder.path, findings) != nil)
        #expect(findings.isEmpty)
        #expect(
            findings.notes.map(\.description) == [
                "a.yaml:3:5: there are no users in \(folder.path), so nobody can log in yet; "
                    + "make one with: warren keygen jproxy NAME"
            ]
        )
    }

    @Test func aMissingFolderIsAProblem() {
        let findings = Findings()
        #expect(loadUsers(in: "/nowhere/at/all", findings) == nil)
        #expect(
            findings.lines == [
                "a.yaml:3:5: the folder /nowhere/at/all cannot be read; create it, or correct the path or its mode"
            ]
        )
    }

    @Test func aFileUnderAWrongNameIsAProblem() throws {
        let folder = try TemporaryFolder()
        let written = try JProxyKeys.write(name: "alice", to: folder.path)
        let wrong = "\(folder.path)/users/" + String(repeating: "0", count: 64) + ".dat"
        try FileManager.default.moveItem(atPath: written.userFile, toPath: wrong)
        let findings = Findings()
        #expect(loadUsers(in: "\(folder.path)/users", findings) == nil)
        #expect(
            findings.lines == [
                "a.yaml:3:5: \(wrong) does not hold the key that its name says; copy it anew or remove it"
            ]
        )
    }

    @Test(
        "a damaged file is named, with the rule it breaks",
        arguments: ["", "short", String(repeating: "x", count: 70_000)])
    func aDamagedFileIsAProblem(content: String) throws {
        let folder = try TemporaryFolder()
        folder.write("AA.dat", content)
        folder.write("notes.txt", "not read")
        let findings = Findings()
        #expect(loadUsers(in: folder.path, findings) == nil)
        let line = try #require(findings.lines.first)
        #expect(line.hasPrefix("a.yaml:3:5: \(folder.path)/AA.dat "))
        #expect(line.contains(content.count > 64 << 10 ? " holds more than 64KiB" : " is no jProxy user file"))
        #expect(line.contains("; copy it anew"))
    }

    @Test func aReloadLetsNewUsersInAndOldOnesOut() async throws {
        let folder = try TemporaryFolder()
        let first = try JProxyKeys.write(name: "alice", to: folder.path)
        let other = try TemporaryFolder()
        let second = try JProxyKeys.write(name: "bob", to: other.path)
        let users = try #require(loadUsers(in: "\(folder.path)/users"))
        let (alice, bob) = (try login(of: first.clientFile), try login(of: second.clientFile))
        #expect(await users.judge(bob, from: nil) == .denied)
        let target = "\(folder.path)/users/\(URL(filePath: second.userFile).lastPathComponent)"
        try FileManager.default.copyItem(atPath: second.userFile, toPath: target)
        try FileManager.default.removeItem(atPath: first.userFile)
        #expect(await users.judge(bob, from: nil) == .denied)
        try users.reload()
        #expect(await users.judge(bob, from: nil) != .denied)
        #expect(await users.judge(alice, from: nil) == .denied)
    }

    @Test("a damaged file keeps nobody else in or out, and all of them are named at once")
    func aDamagedFileIsLeftOut() async throws {
        let folder = try TemporaryFolder()
        let written = try JProxyKeys.write(name: "alice", to: folder.path)
        let users = try #require(loadUsers(in: "\(folder.path)/users"))
        let alice = try login(of: written.clientFile)
        folder.write("users/BB.dat", "half a fi")
        folder.write("users/CC.dat", "")
        let error = #expect(throws: FilesLeftOut.self) { try users.reload() }
        #expect(error?.description.contains("BB.dat") == true && error?.description.contains("CC.dat") == true)
        #expect(await users.judge(alice, from: nil) != .denied)
        // Half of her own file: it is being written, and she is not shut out by that.
        let bytes = try Data(contentsOf: URL(filePath: written.userFile))
        try bytes.prefix(100).write(to: URL(filePath: written.userFile))
        #expect(throws: FilesLeftOut.self) { try users.reload() }
        #expect(await users.judge(alice, from: nil) != .denied)
        try FileManager.default.removeItem(atPath: written.userFile)
        #expect(throws: FilesLeftOut.self) { try users.reload() }
        #expect(await users.judge(alice, from: nil) == .denied)
    }

    @Test func allDamagedFilesAreProblemsAtTheStart() throws {
        let folder = try TemporaryFolder()
        folder.write("AA.dat", "x")
        folder.write("BB.dat", "y")
        let findings = Findings()
        #expect(loadUsers(in: folder.path, findings) == nil)
        #expect(findings.lines.count == 2)
    }

    @Test func aClientKeyThatIsNoneIsAProblem() throws {
        let folder = try TemporaryFolder()
        let path = folder.write("key.dat", "nonsense")
        let findings = Findings()
        #expect(JProxyKeys.clientKey(at: Located(path, at: place), .deployed, findings) == nil)
        let line = try #require(findings.lines.first)
        #expect(line.hasPrefix("a.yaml:3:5: \(path) is no jProxy key file ("))
        #expect(line.hasSuffix("; copy it anew, or make one with: warren keygen jproxy NAME"))
    }
}
