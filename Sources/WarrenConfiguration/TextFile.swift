// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// Small text files: configurations, passwords, tokens.
package enum TextFile {
    /// Reads a whole file that a key names as UTF-8. A byte order mark at its start is no part of the text.
    ///
    /// - Throws: a ``Refusal`` whose sentence follows the path.
    package static func read(_ path: String, limit: Int) throws(Refusal) -> String {
        try Self.text(NamedFile.read(path, limit: limit))
    }

    /// The same of a file that somebody names for a command: a pipe is as good, and waited for.
    package static func readStream(_ path: String, limit: Int) throws(Refusal) -> String {
        try Self.checkReadable(path)
        guard let handle = FileHandle(forReadingAtPath: path) else { throw Self.isDamaged }
        defer { try? handle.close() }
        return try Self.text(Self.bytes(from: handle, limit: limit))
    }

    /// Reads standard input to its end as UTF-8.
    static func readStandardInput(limit: Int) throws(Refusal) -> String {
        let bytes: Data
        // Without a hint: there is no file to look at.
        do throws(Refusal) { bytes = try Self.bytes(from: .standardInput, limit: limit) } catch {
            throw Refusal(error.what)
        }
        return try Self.text(bytes)
    }

    /// UTF-16 with its mark, as some editors and shells write it.
    package static func refuseUTF16(_ bytes: Data) throws(Refusal) {
        let hasMark = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        // Without its mark, every other byte of plain text is zero.
        let start = Array(bytes.prefix(4))
        let isBare =
            start.count == 4 && [[0, 2], [1, 3]].contains { $0.allSatisfy { start[$0] == 0 } } && start != [0, 0, 0, 0]
        guard hasMark || isBare else { return }
        throw Refusal("is UTF-16 text", hint: "save it as UTF-8")
    }

    private static func text(_ bytes: Data) throws(Refusal) -> String {
        try Self.refuseUTF16(bytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Refusal("is not UTF-8 text", hint: "save it as UTF-8")
        }
        let mark: Unicode.Scalar = "\u{FEFF}"
        return text.unicodeScalars.first == mark ? String(text.unicodeScalars.dropFirst()) : text
    }

    /// Checks that a file is there, is not a directory and may be read; it is not opened.
    static func checkReadable(_ path: String) throws(Refusal) {
        var isDirectory: ObjCBool = false
        guard !path.isEmpty, FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw Refusal("does not exist", hint: "create it or correct the path")
        }
        guard !isDirectory.boolValue else { throw Refusal("is a directory", hint: "name a file in it") }
        guard FileManager.default.isReadableFile(atPath: path) else {
            throw Refusal("may not be read by this user", hint: "change its owner or its mode")
        }
    }

    /// Whether a text is the name of a file as people write them, and not a secret in the place of one.
    static func looksLikeName(_ text: String) -> Bool {
        let endings = ["dat", "pem", "key", "pw", "txt", "pass", "password", "passwd", "secret", "token", "crt", "cer"]
        let name = text.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: "."), !text.contains(where: \.isNewline) else { return false }
        return endings.contains(name[dot...].dropFirst().lowercased())
    }

    /// True if the mode lets the group or everybody read the file (links are followed).
    package static func isOpenToOthers(_ path: String) -> Bool {
        let real = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        let attributes = try? FileManager.default.attributesOfItem(atPath: real)
        guard let mode = (attributes?[.posixPermissions] as? NSNumber)?.intValue else { return false }
        return mode & 0o044 != 0
    }

    /// The path as seen from a folder; an empty folder is the working directory.
    package static func path(_ path: String, in folder: String) -> String {
        guard !path.hasPrefix("/"), !folder.isEmpty else { return path }
        return folder.hasSuffix("/") ? folder + path : "\(folder)/\(path)"
    }

    /// The folder a file lies in; empty for the working directory.
    package static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// All that comes until the end.
    static func bytes(
        from handle: FileHandle, limit: Int, remedy: String = "name a smaller file"
    ) throws(Refusal) -> Data {
        var all = Data()
        do {
            while let some = try handle.read(upToCount: 64 << 10), !some.isEmpty {
                all.append(some)
                if all.count > limit { break }
            }
        } catch {
            throw Self.isDamaged
        }
        guard all.count <= limit else { throw Self.tooLong(limit, remedy) }
        return all
    }

    static func tooLong(_ limit: Int, _ remedy: String) -> Refusal {
        Refusal("holds more than \(Size.words(limit))", hint: remedy)
    }

    private static let isDamaged = Refusal("cannot be read", hint: "check that the disk and the file are intact")
}
