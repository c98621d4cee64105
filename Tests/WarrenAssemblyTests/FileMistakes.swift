// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Mistakes {
    /// Pipes and devices, which wait for ever or never end, and files that are too large, in the place of files.
    static let kindsOfFiles: [Mistake] = {
        func noFile(_ yaml: String, _ file: String, _ subject: String? = nil) -> Mistake {
            Self.mistake(yaml, file, "\(subject ?? "\"\(file)\"") is no regular file; put a file in its place")
        }
        func tooLarge(_ yaml: String) -> Mistake {
            Self.mistake(yaml, "large.pem", "large.pem holds more than 4MiB; name a smaller file")
        }
        return [
            noFile(Self.vproxy("key: pipe.key"), "pipe.key"),
            noFile(Self.vproxy("key: /dev/zero"), "/dev/zero", "the file that is named here").with(
                remedy: "name a file in FOLDER with nothing but the secret in it"),
            noFile(Self.vproxy("key: near.key, clients: pipe.pub"), "pipe.pub", "pipe.pub"),
            noFile(Self.vproxy("key: near.key, clients: [/dev/zero]"), "/dev/zero", "/dev/zero"),
            noFile(Self.vproxy("key: near.key, clients: pipes"), "pipes", "pipes holds x.pub, which"),
            noFile(
                Self.outbound("type: vproxy, server: \"localhost:3\", key: near.key, serverKey: pipe.pub"), "pipe.pub"),
            noFile(Self.outbound("type: jproxy, server: localhost, key: pipe.key"), "pipe.key"),
            noFile(Self.outbound("type: socks5, server: \"localhost:3\", user: a, passwordFile: pipe.pw"), "pipe.pw"),
            noFile(
                Self.outbound("type: mproxy, listen: \"127.0.0.1:3\", host: localhost, secretFile: pipe.pw"), "pipe.pw"),
            noFile(
                Self.outbound("type: mproxy, listen: \"127.0.0.1:3\", host: localhost, publicKeyFile: pipe.pem"),
                "pipe.pem"),
            noFile(
                Self.inbound(
                    "type: mproxy, relay: \"ws://localhost:9\", tokenFile: pipe.pw, services: { a.b: \":9\" }"),
                "pipe.pw"),
            noFile(Self.inbound("type: jproxy, listen: \"127.0.0.1:1\", users: pipes"), "pipes", "pipes/x.dat"),
            noFile(Self.tls("cert: pipe.pem, key: key.pem"), "pipe.pem"),
            noFile(Self.tls("cert: /dev/zero, key: key.pem"), "/dev/zero"),
            noFile(Self.tls("cert: cert.pem, key: pipe.key"), "pipe.key"),
            noFile(Self.tls("cert: cert.pem, key: key.pem, ca: pipe.pem"), "pipe.pem"),
            tooLarge(Self.tls("cert: large.pem, key: key.pem")),
            tooLarge(Self.tls("cert: cert.pem, key: large.pem")),
            tooLarge(Self.tls("cert: cert.pem, key: key.pem, ca: large.pem")),
        ]
    }()

    /// The folder's part in them.
    static func makeKindsOfFiles(in folder: String) throws {
        let files = FileManager.default
        try files.createDirectory(atPath: "\(folder)/pipes", withIntermediateDirectories: false)
        for name in ["pipe.key", "pipe.pub", "pipe.pw", "pipe.pem", "pipes/x.pub", "pipes/x.dat"] {
            guard mkfifo("\(folder)/\(name)", 0o600) == 0 else { throw CocoaError(.fileWriteUnknown) }
        }
        // Without blocks: only its length is large.
        _ = files.createFile(atPath: "\(folder)/large.pem", contents: nil, attributes: [.posixPermissions: 0o600])
        guard truncate("\(folder)/large.pem", 64 << 20) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    /// Found where the last such word stands.
    private static func mistake(_ yaml: String, _ word: String, _ says: String) -> Mistake {
        let before = yaml.ranges(of: word).last.map { yaml[..<$0.lowerBound] } ?? ""
        let lines = before.split(separator: "\n", omittingEmptySubsequences: false)
        return Mistake(yaml, "\(lines.count):\((lines.last?.count ?? 0) + 1)", says)
    }

    private static func inbound(_ keys: String) -> String { "inbounds: [{ name: a, \(keys) }]\n" }

    private static func vproxy(_ keys: String) -> String {
        Self.inbound("type: vproxy, listen: \"127.0.0.1:1\", target: \"localhost:2\", \(keys)")
    }

    private static func tls(_ keys: String) -> String {
        Self.inbound("type: mixed, listen: \"127.0.0.1:1\", tls: { \(keys) }")
    }

    private static func outbound(_ keys: String) -> String {
        let type = keys.contains("mproxy") ? "public" : "mixed"
        return
            "inbounds: [{ name: a, type: \(type), listen: \"127.0.0.1:1\", to: o }]\noutbounds: [{ name: o, \(keys) }]\n"
    }
}

extension Mistake {
    fileprivate func with(remedy: String) -> Mistake {
        let cause = self.says.prefix { $0 != ";" }
        return Mistake(self.yaml, self.place, "\(cause); \(remedy)")
    }
}
