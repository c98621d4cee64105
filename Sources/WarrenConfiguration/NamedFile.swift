// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// Files that keys name. A pipe would be waited for, and a device may never end: neither is a file here.
package enum NamedFile {
    /// What a file with a key or a secret may hold.
    package static let longestKey = 64 << 10

    private static let isNone = Refusal("is no regular file", hint: "put a file in its place")

    /// Checks that a file is there, is a regular one and may be read; it is not opened.
    package static func check(_ path: String) throws(Refusal) {
        try TextFile.checkReadable(path)
        var facts = stat()
        guard stat(path, &facts) == 0, Self.isRegular(facts) else { throw Self.isNone }
    }

    /// Reads a whole file, and never waits for somebody who writes.
    ///
    /// - Parameter remedy: what to do about a file that holds more than `limit` bytes.
    /// - Throws: a ``Refusal`` whose sentence follows the path.
    package static func read(
        _ path: String, limit: Int, remedy: String = "name a smaller file"
    ) throws(Refusal) -> Data {
        try Self.check(path)
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Refusal("cannot be read", hint: "check the disk, and that enough files may be open")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        defer { _ = close(descriptor) }
        // Something else may have taken its place since the check.
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, Self.isRegular(facts) else { throw Self.isNone }
        guard facts.st_size <= limit else { throw TextFile.tooLong(limit, remedy) }
        return try TextFile.bytes(from: handle, limit: limit, remedy: remedy)
    }

    private static func isRegular(_ facts: stat) -> Bool { facts.st_mode & S_IFMT == S_IFREG }
}
