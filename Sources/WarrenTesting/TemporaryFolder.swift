// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A new folder that is removed when the value goes.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() throws {
        self.path = FileManager.default.temporaryDirectory.appendingPathComponent("warren-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    @discardableResult
    public func write(_ name: String, _ text: String, mode: Int = 0o600) -> String {
        let path = "\(self.path)/\(name)"
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: mode]
        _ = FileManager.default.createFile(atPath: path, contents: Data(text.utf8), attributes: attributes)
        try? FileManager.default.setAttributes(attributes, ofItemAtPath: path)
        return path
    }
}
