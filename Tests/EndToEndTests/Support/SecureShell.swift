// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The real sshd of OpenSSH on a port of 127.0.0.1, which lets the one user in who runs the tests.
struct SecureShell: Sendable {
    private static let server = Program.find("sshd")
    private static let client = Program.find("ssh")
    private static let keys = Program.find("ssh-keygen")
    static let isThere = server != nil && client != nil && keys != nil
    static let absence = "there is no OpenSSH, client and server, on this machine"

    let port: Int
    private let program: Program
    private let folder: Folder

    static func start() async throws -> SecureShell {
        guard let server = self.server, let keys = self.keys else { throw HarnessError(description: Self.absence) }
        let folder = try Folder()
        for name in ["host", "user"] {
            let made = try await Program.run(
                keys, ["-q", "-t", "ed25519", "-N", "", "-f", "\(folder.path)/\(name)"], in: folder.path)
            guard made.code == 0 else { throw HarnessError(description: "there are no keys: \(made.errors)") }
        }
        let port = try await Server.freePort()
        let file = folder.write(
            "sshd.conf",
            """
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(folder.path)/host
            PidFile none
            AuthorizedKeysFile \(folder.path)/user.pub
            StrictModes no
            PermitRootLogin yes
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            UsePAM no

            """)
        // One that root starts wants this folder, which only a service of the system makes.
        if geteuid() == 0 { mkdir("/run/sshd", 0o755) }
        let program = try Program.start(server, ["-D", "-e", "-f", file], in: folder.path)
        guard await program.errors.line(with: "Server listening on") != nil else {
            program.signal(SIGKILL)
            throw HarnessError(description: "sshd did not start: \(await program.outcome().errors)")
        }
        return SecureShell(port: port, program: program, folder: folder)
    }

    /// Runs a command over there, by way of a port of 127.0.0.1, with a file as its input and one as its output.
    func run(_ command: String, at port: Int, input: String, output: String) async throws -> Program.Outcome {
        guard let client = Self.client else { throw HarnessError(description: Self.absence) }
        let files = "\(self.folder.path)/user"
        let options = [
            "-F", "none", "-i", files, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=\(self.folder.path)/known",
        ]
        let words = [client.path] + options + ["-p", "\(port)", "\(NSUserName())@127.0.0.1", command]
        // A shell gives it the files and becomes the program.
        let script = ["-c", "exec \"$@\" <'\(input)' >'\(output)'", "sh"]
        return try await Program.run(URL(filePath: "/bin/sh"), script + words)
    }

    func stop() async {
        self.program.signal(SIGTERM)
        _ = await self.program.outcome()
    }
}
