// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Synchronization
import WarrenCore
import WarrenJProxy
import WarrenRuntime

/// The users of a jProxy server: a folder of `<HASH>.dat` files, read and verified beforehand.
///
/// A login is looked up in this table, never by path, and a file's name must be the hash of what is in it. Who is taken
/// out of the folder cannot log in any more; sessions that are up go on.
final class JProxyUsers: Authenticator {
    /// No sane user file is longer: 550 bytes and a name.
    private static let longestFile = 64 << 10

    let folder: String
    private let dialect: JProxy.Dialect
    private let table: Mutex<[[UInt8]: JProxy.UserFile]>

    /// For inbounds whose folder could not be read; nobody comes that far.
    static let nobody: any Authenticator = NoAuthenticator()

    /// - Returns: nil after a report.
    init?(folder: String, dialect: JProxy.Dialect, at place: Place, _ findings: Findings) {
        self.folder = folder
        self.dialect = dialect
        do {
            let users = try Self.read(folder, dialect)
            if users.isEmpty {
                let hint = "make one with: warren keygen jproxy NAME"
                findings.note("there are no users in \(folder), so nobody can log in yet", at: place, hint: hint)
            }
            self.table = Mutex(users)
        } catch {
            findings.report(error.sentence, at: place, hint: error.remedy)
            return nil
        }
    }

    func judge(_ claim: Claim) async -> Verdict {
        guard let user = self.table.withLock({ $0[claim.identity] }) else { return .denied }
        return .accepted(name: user.name, credential: user.publicKey)
    }

    /// Reads the folder anew. If anything in it is damaged, everything stays as it was.
    @Sendable func reload() throws {
        let users = try Self.read(self.folder, self.dialect)
        self.table.withLock { $0 = users }
    }

    private static func read(
        _ folder: String, _ dialect: JProxy.Dialect
    ) throws(JProxyFileError) -> [[UInt8]: JProxy.UserFile] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw JProxyFileError("the folder \(folder) cannot be read", "create it, or correct the path or its mode")
        }
        var users: [[UInt8]: JProxy.UserFile] = [:]
        for name in names.sorted() where name.hasSuffix(".dat") {
            let user = try Self.read("\(folder)/\(name)", named: name, dialect)
            users[user.hash] = user
        }
        return users
    }

    private static func read(
        _ path: String, named name: String, _ dialect: JProxy.Dialect
    ) throws(JProxyFileError) -> JProxy.UserFile {
        let bytes = try JProxyKeys.bytes(of: path, limit: Self.longestFile)
        do throws(WireError) {
            let user = try JProxy.UserFile(parsing: bytes, dialect: dialect)
            if user.fileName.lowercased() == name.lowercased() { return user }
        } catch {
            throw JProxyFileError("\(path) is no jProxy user file (\(error))", "copy it anew or remove it")
        }
        throw JProxyFileError("\(path) does not hold the key that its name says", "copy it anew or remove it")
    }
}

/// What is wrong with a key file, and what to do about it.
struct JProxyFileError: Error, CustomStringConvertible {
    let sentence: String
    let remedy: String

    init(_ sentence: String, _ remedy: String) {
        self.sentence = sentence
        self.remedy = remedy
    }

    var description: String { "\(self.sentence); \(self.remedy)" }
}
