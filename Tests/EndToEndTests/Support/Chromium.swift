// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The real Chromium, without a window.
enum Chromium {
    private static let executable = Program.find("chromium", "google-chrome")

    static let absence = "there is no chromium on this machine, or none that can show an empty page here"

    /// Whether there is one that can run here: what some systems install instead of it cannot, nor can it everywhere.
    static var runs: Bool {
        get async {
            guard self.executable != nil else { return false }
            let outcome = try? await self.visit("about:blank", key: "", name: "nobody.test")
            return outcome?.code == 0 && outcome?.output.contains("<html>") == true
        }
    }

    /// What a page has become when everything on it has been loaded, as HTML on the output.
    ///
    /// - Parameters:
    ///   - key: the SHA-256 of the one public key that it trusts besides its authorities, in Base64.
    ///   - name: that of 127.0.0.1.
    static func visit(_ url: String, key: String, name: String) async throws -> Program.Outcome {
        guard let executable = self.executable else { throw HarnessError(description: Self.absence) }
        let profile = try Folder()
        defer { withExtendedLifetime(profile) {} }
        // Its processes are as safe here as those of the tests, and in a container they could not be shut in.
        let machine = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        let quiet = ["--disable-background-networking", "--disable-breakpad", "--no-first-run", "--no-proxy-server"]
        let place = ["--user-data-dir=\(profile.path)", "--host-resolver-rules=MAP \(name) 127.0.0.1"]
        let page = ["--ignore-certificate-errors-spki-list=\(key)", "--dump-dom", url]
        let environment = ["HOME": profile.path, "XDG_CONFIG_HOME": profile.path, "XDG_CACHE_HOME": profile.path]
        return try await Program.runGroup(executable, machine + quiet + place + page, environment: environment)
    }
}
