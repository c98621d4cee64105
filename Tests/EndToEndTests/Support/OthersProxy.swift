// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A proxy of others as a real process, on a port of 127.0.0.1, for loopback alone.
struct OthersProxy: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        /// A SOCKS5 proxy without a login: it knows those of the system only.
        case dante
        /// An HTTP proxy with the login alice, secret.
        case squid
    }

    /// What both forbid.
    static let forbidden = "127.0.0.2"

    let port: Int
    private let program: Program
    private let folder: Folder

    static func start(_ kind: Kind) async throws -> OthersProxy {
        switch kind {
        case .dante: try await Self.dante()
        case .squid: try await Self.squid()
        }
    }

    func stop() async {
        self.program.signal(SIGTERM)
        _ = await self.program.outcome()
    }

    /// The first line of its log with this in it.
    func line(with text: String) async -> String? { await self.program.errors.line(with: text) }
}

// MARK: - Dante

extension OthersProxy {
    /// Debian calls it danted.
    private static let danteServer = Program.find("danted", "sockd")

    private static func dante() async throws -> OthersProxy {
        let port = try await Server.freePort()
        let folder = try Folder()
        let file = folder.write(
            "dante.conf",
            """
            errorlog: stderr
            logoutput: stderr
            internal: 127.0.0.1 port = \(port)
            external: 127.0.0.1
            clientmethod: none
            socksmethod: none
            client pass { from: 127.0.0.0/8 to: 127.0.0.0/8 }
            socks block { from: 127.0.0.0/8 to: \(Self.forbidden)/32 }
            socks pass { from: 127.0.0.0/8 to: 127.0.0.0/8 command: connect }

            """)
        let words = ["-f", file, "-p", "\(folder.path)/pid"]
        return try await Self.start(Self.danteServer, words, in: folder, port: port, whenReady: " running")
    }
}

// MARK: - Squid

extension OthersProxy {
    private static let squidServer = Program.find("squid")

    /// The program with which squid looks up a login in a file.
    private static let squidLogins: URL? = {
        let folders = ["/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec/squid", "/opt/homebrew/opt/squid/libexec"]
        return folders.map { URL(filePath: "\($0)/basic_ncsa_auth") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    private static func squid() async throws -> OthersProxy {
        let port = try await Server.freePort()
        let folder = try Folder()
        // Of the password secret, in the MD5 form of Apache.
        let logins = folder.write("logins", "alice:$apr1$warren00$brtW2C/81wHprC9Edy9C8/\n")
        // A squid that root starts becomes another user, who is to read this.
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: logins)
        let file = folder.write(
            "squid.conf",
            """
            http_port 127.0.0.1:\(port)
            pid_filename none
            access_log none
            cache_log /dev/null
            cache deny all
            pinger_enable off
            shutdown_lifetime 0 seconds
            auth_param basic program \(Self.squidLogins?.path ?? "") \(logins)
            auth_param basic children 2
            acl known proxy_auth REQUIRED
            acl forbidden dst \(Self.forbidden)
            http_access deny forbidden
            http_access allow known
            http_access deny all

            """)
        // The name is that of its shared memory, which other squids of this machine have, too.
        let words = ["-N", "-d", "1", "-n", "warren\(port)", "-f", file]
        return try await Self.start(Self.squidServer, words, in: folder, port: port, whenReady: "Accepting HTTP ")
    }
}

// MARK: - Both

extension OthersProxy {
    static let areThere = danteServer != nil && squidServer != nil && squidLogins != nil
    static let absence = "there is no dante-server, or no squid with basic_ncsa_auth, on this machine"

    private static func start(
        _ executable: URL?, _ words: [String], in folder: Folder, port: Int, whenReady text: String
    ) async throws -> OthersProxy {
        guard let executable else { throw HarnessError(description: Self.absence) }
        let program = try Program.start(executable, words, in: folder.path)
        guard await program.errors.line(with: text) != nil else {
            throw HarnessError(description: "\(executable.path) did not start: \(await program.outcome().errors)")
        }
        return OthersProxy(port: port, program: program, folder: folder)
    }
}
