// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Synchronization
import WarrenConfiguration
import WarrenCore
import WarrenJProxy
import WarrenRuntime

/// The users of a jProxy server: a folder of `<HASH>.dat` files, read and verified beforehand.
///
/// A login is looked up in this table, never by path, and a file's name must be the hash of what is in it. Who is taken
/// out of the folder cannot log in any more; sessions that are up go on.
final class JProxyUsers: Authenticator {
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
            let (users, damaged) = try Self.read(folder, dialect)
            for error in damaged { findings.report(error.sentence, at: place, hint: error.remedy) }
            guard damaged.isEmpty else { return nil }
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

    func verdict(on claim: Claim, from peer: SocketAddress?) -> Verdict? {
        guard let user = self.table.withLock({ $0[claim.identity] }) else { return .denied }
        return .accepted(name: user.name, credential: user.publicKey)
    }

    func admits(_ user: String?, letInBy former: any Authenticator) -> Bool {
        guard let user, let former = former as? JProxyUsers else { return false }
        let known = former.keys(of: user)
        return !known.isEmpty && known.isSubset(of: self.keys(of: user))
    }

    private func keys(of user: String) -> Set<[UInt8]> {
        self.table.withLock { Set($0.values.filter { $0.name == user }.map(\.publicKey)) }
    }

    /// Reads the folder anew. Damaged files keep nobody else in or out: who had a file there before and has a damaged
    /// one now stays as he was, since only a file that is gone shuts its user out.
    @Sendable func reload() throws {
        let (users, damaged) = try Self.read(self.folder, self.dialect)
        let names = Set(damaged.compactMap(\.name))
        self.table.withLock { table in
            let kept = table.filter { names.contains($0.value.fileName.lowercased()) }
            table = users.merging(kept) { fresh, _ in fresh }
        }
        guard damaged.isEmpty else { throw FilesLeftOut(damaged.map(\.description)) }
    }

    /// All that is good in a folder, and what is wrong with the rest.
    private static func read(
        _ folder: String, _ dialect: JProxy.Dialect
    ) throws(JProxyFileError) -> (users: [[UInt8]: JProxy.UserFile], damaged: [JProxyFileError]) {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw JProxyFileError("the folder \(folder) cannot be read", "create it, or correct the path or its mode")
        }
        var users: [[UInt8]: JProxy.UserFile] = [:]
        var damaged: [JProxyFileError] = []
        for name in names.sorted() where name.hasSuffix(".dat") && !name.hasPrefix(".") {
            do throws(JProxyFileError) {
                let user = try Self.read("\(folder)/\(name)", named: name, dialect)
                users[user.hash] = user
            } catch {
                damaged.append(error.about(name))
            }
        }
        return (users, damaged)
    }

    private static func read(
        _ path: String, named name: String, _ dialect: JProxy.Dialect
    ) throws(JProxyFileError) -> JProxy.UserFile {
        let bytes = try JProxyKeys.bytes(of: path)
        do throws(WireError) {
            let user = try JProxy.UserFile(parsing: bytes, dialect: dialect)
            if user.fileName.lowercased() == name.lowercased() { return user }
        } catch {
            if (try? JProxy.ClientKey(parsing: bytes, dialect: dialect)) != nil {
                let remedy = "move it to the client, and keep the users/<HASH>.dat that was made with it"
                throw JProxyFileError("\(path) is the key of a client", remedy)
            }
            throw JProxyFileError("\(path) is no jProxy user file (\(error))", "copy it anew or remove it")
        }
        throw JProxyFileError("\(path) does not hold the key that its name says", "copy it anew or remove it")
    }
}

/// What is wrong with a key file, and what to do about it.
struct JProxyFileError: Error, CustomStringConvertible {
    let sentence: String
    let remedy: String
    /// The name of the file in its folder, in small letters.
    private(set) var name: String?

    init(_ sentence: String, _ remedy: String) {
        self.sentence = sentence
        self.remedy = remedy
    }

    func about(_ name: String) -> JProxyFileError {
        var error = self
        error.name = name.lowercased()
        return error
    }

    var description: String { "\(self.sentence); \(self.remedy)" }
}
