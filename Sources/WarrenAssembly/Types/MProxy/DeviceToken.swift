// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import WarrenConfiguration
import WarrenCore
import WarrenTokens

/// Makes tokens for devices of an `mproxy` relay.
package enum DeviceToken {
    /// - Parameters:
    ///   - secretFile: its first line signs, by HS256.
    ///   - names: what the token lets its holder serve, `*.` in front allowed.
    ///   - expires: a duration such as `30d`.
    /// - Returns: `header.claims.signature`.
    /// - Throws: ``WarrenConfiguration/ConfigurationFailure`` with everything that is wrong with the arguments.
    package static func make(
        secretFile: String, names: [String], ports: [UInt16], expires: String, subject: String?, audience: String?
    ) async throws -> String {
        let findings = Findings()
        func place(_ label: String) -> Place { Place(argument: label, position: 0) }
        let pairs = [("secretFile", secretFile, "--secret-file"), ("expires", expires, "--expires")].map {
            ConfigNode.Pair($0, at: place($2), ConfigNode(.scalar(.init($1, isQuoted: true)), at: place($2)))
        }
        let section = Section(ConfigNode(.map(pairs), at: place("token")), folder: "", findings: findings)
        let secret = section.required("secretFile", .secretFile)
        if let secret { _ = section.isLongEnough(secret) }
        let time = section.required("expires", .duration)
        let known = names.map { name -> String in
            let bare = name.hasPrefix("*.") ? String(name.dropFirst(2)) : name
            guard let host = HostName(bare) else {
                findings.report("\(quoted(name)) is no host name", at: place("--name"), hint: "write www.example.net")
                return name
            }
            return name.hasPrefix("*.") ? "*." + host.text : host.text
        }
        if ports.contains(0) { findings.report("0 is no port", at: place("--port"), hint: "write 1 to 65535") }
        try findings.check()
        // Never nil behind the check.
        guard let secret, let time else { return "" }
        var claims = TokenClaims()
        claims.sub = subject
        claims.domains = known.isEmpty ? nil : known
        claims.ports = ports.isEmpty ? nil : ports.map { TokenClaims.Port($0) }
        claims.jti = UUID().uuidString
        claims.expire(in: Double(time.nanoseconds) / 1e9)
        claims.audience(audience)
        return try await claims.signed(by: secret.text)
    }

    /// Writes `NAME.token` into a folder, signed by the `secret` there, which is made if there is none: for whoever runs both
    /// ends in one process.
    package static func write(_ name: String, names: [String] = [], ports: [UInt16] = [], to folder: String)
        async throws
    {
        let secretFile = "\(folder)/secret"
        if !FileManager.default.fileExists(atPath: secretFile) {
            var random = SystemRandomNumberGenerator()
            let words = (0..<4).map { _ in String(UInt64.random(in: 1 << 63...(.max), using: &random), radix: 16) }
            try Self.create(secretFile, words.joined())
        }
        let token = try await Self.make(
            secretFile: secretFile, names: names, ports: ports, expires: "7d", subject: name, audience: nil)
        try Self.create("\(folder)/\(name).token", token)
    }

    private static func create(_ path: String, _ line: String) throws {
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
        guard FileManager.default.createFile(atPath: path, contents: Data("\(line)\n".utf8), attributes: attributes)
        else { throw CocoaError(.fileWriteUnknown) }
    }
}
