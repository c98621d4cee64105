// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenConfiguration
import WarrenSecureDatagrams

/// Key files of vproxy tunnels on disk.
public enum VProxyKeys {
    /// The files of one end.
    public struct Written: Hashable, Sendable {
        /// Secret: what `key:` names.
        public let keyFile: String
        /// For the other end; nil where both have the one secret.
        public let publicFile: String?
    }

    /// Writes `NAME.key` and `NAME.pub` into a folder. Never overwrites a file; leaves nothing behind where it fails.
    ///
    /// - Parameter isShared: one secret for both ends, and no `NAME.pub`.
    /// - Throws: an error that describes itself in one sentence.
    @discardableResult
    public static func write(name: String, isShared: Bool = false, to folder: String) throws -> Written {
        guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/") else {
            throw KeyFileFailure("\(quoted(name)) is no name for a file", "write a word such as laptop")
        }
        let written = Written(keyFile: "\(folder)/\(name).key", publicFile: isShared ? nil : "\(folder)/\(name).pub")
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw KeyFileFailure("the folder \(folder) cannot be made", "check the path and its mode")
        }
        guard let publicFile = written.publicFile else {
            try Self.create(written.keyFile, SecureDatagrams.SharedKey().text, mode: 0o600)
            return written
        }
        let key = SecureDatagrams.PrivateKey()
        try Self.create(written.keyFile, key.text, mode: 0o600)
        do {
            try Self.create(publicFile, key.publicKey.text, mode: 0o644)
        } catch {
            try? FileManager.default.removeItem(atPath: written.keyFile)
            throw error
        }
        return written
    }

    private static func create(_ path: String, _ line: String, mode: mode_t) throws(KeyFileFailure) {
        // Never over a file that is there, or that somebody else makes at this moment.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            guard errno != EEXIST else {
                throw KeyFileFailure("\(path) is there already", "move it away, or choose another folder with --out")
            }
            throw KeyFileFailure("\(path) cannot be written", "check that the folder may be written to")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        let isWritten = (try? file.write(contentsOf: Data("\(line)\n".utf8))) != nil
        guard close(descriptor) == 0, isWritten else {
            unlink(path)
            throw KeyFileFailure("\(path) cannot be written", "check that the disk has room")
        }
    }
}

/// What an end has of its own.
enum VProxyKey {
    case shared(SecureDatagrams.SharedKey)
    case own(SecureDatagrams.PrivateKey)

    /// - Throws: a ``Refusal`` whose sentence follows the path.
    init(path: String) throws(Refusal) {
        let text = try VProxyKeys.text(path)
        do throws(SecureDatagrams.KeyFailure) {
            // The one that is wanted unless the file says that it holds the other.
            if let key = try? SecureDatagrams.SharedKey(parsing: text) {
                self = .shared(key)
            } else {
                self = .own(try SecureDatagrams.PrivateKey(parsing: text))
            }
        } catch {
            throw VProxyKeys.refusal(error, "make one with: warren keygen vproxy NAME")
        }
    }
}

extension VProxyKeys {
    /// The public keys of a `.pub` file, or of all of them in a folder.
    ///
    /// - Throws: a ``Refusal`` whose sentence follows the path.
    static func publicKeys(at path: String) throws(Refusal) -> Set<SecureDatagrams.PublicKey> {
        var keys: Set<SecureDatagrams.PublicKey> = []
        for file in try Self.files(at: path) {
            do throws(Refusal) { keys.insert(try Self.publicKey(at: file)) } catch {
                guard file != path else { throw error }
                throw Refusal(
                    "holds \(file.dropFirst(path.count + 1)), which \(error.what ?? "cannot be read")",
                    hint: error.hint)
            }
        }
        return keys
    }

    /// - Throws: a ``Refusal`` whose sentence follows the path.
    static func publicKey(at path: String) throws(Refusal) -> SecureDatagrams.PublicKey {
        let text = try Self.text(path)
        do throws(SecureDatagrams.KeyFailure) { return try SecureDatagrams.PublicKey(parsing: text) } catch {
            throw Self.refusal(error, "copy the .pub file that was made at the other end")
        }
    }

    /// A path itself, or the `.pub` files in it.
    static func files(at path: String) throws(Refusal) -> [String] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            return [path]
        }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw Refusal("may not be read by this user", hint: "change its owner or its mode")
        }
        return names.filter { $0.hasSuffix(".pub") && !$0.hasPrefix(".") }.sorted().map { "\(path)/\($0)" }
    }

    fileprivate static func text(_ path: String) throws(Refusal) -> String {
        try TextFile.read(path, limit: NamedFile.longestKey)
    }

    fileprivate static func refusal(_ failure: SecureDatagrams.KeyFailure, _ hint: String) -> Refusal {
        Refusal("is not the key that is wanted here: \(failure)", hint: hint)
    }
}

/// What is wrong with a key file, and what to do about it.
struct KeyFileFailure: Error, CustomStringConvertible {
    let description: String

    init(_ sentence: String, _ remedy: String) { self.description = "\(sentence); \(remedy)" }
}
