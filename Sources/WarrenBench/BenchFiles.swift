// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenAssembly
import WarrenCertificates

/// The keys of every path: `key.dat` and `users` of jProxy, `both.key` of vproxy, the `secret` of relays with a token for each path, named like it, and
/// `localhost.crt`, `localhost.key` and `authority.crt`.
struct BenchFiles {
    let folder: String

    /// Writes them into a new folder.
    ///
    /// - Parameter ports: of relays, one for a path.
    init(ports: [String: UInt16]) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("warren-bench-\(UUID())").path
        self.folder = folder
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        do {
            try JProxyKeys.write(name: "bench", to: folder)
            try VProxyKeys.write(name: "both", isShared: true, to: folder)
            guard !ports.isEmpty else { return }
            _ = try CertificateFiles.write(names: ["localhost"], to: folder)
            for (path, port) in ports { try await DeviceToken.write(path, ports: [port], to: folder) }
        } catch {
            self.remove()
            throw error
        }
    }

    func remove() { try? FileManager.default.removeItem(atPath: self.folder) }
}
