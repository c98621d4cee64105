// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite(.timeLimit(.minutes(1))) struct CommandTests {
    @Test func versionAndHelp() async throws {
        let version = try await WarrenProcess.run("version")
        #expect(version.code == 0)
        #expect(version.output.hasPrefix("warren "))
        #expect(version.errors.isEmpty)
        let help = try await WarrenProcess.run("help")
        #expect(help.code == 0)
        for command in ["run", "check", "demo", "bench", "keygen", "version"] { #expect(help.output.contains(command)) }
        let more = try await WarrenProcess.run("help", "run")
        #expect(more.code == 0)
        #expect(more.output.contains("--listen"))
    }

    @Test(
        "what is no command is usage: 1, on standard error", arguments: ["bogus", "--bogus", "run --bogus", "keygen"])
    func usage(line: String) async throws {
        let arguments = line.split(separator: " ").map(String.init)
        let outcome = try await Program.run(WarrenProcess.executable, arguments)
        guard line != "keygen" else { return #expect(outcome.code == 0) }  // it shows its help
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("Usage: warren"))
        #expect(outcome.output.isEmpty)
    }

    @Test(
        "says what was probably meant",
        arguments: [
            ("rnu", "Did you mean: warren run"), ("check warren.yaml", "warren check -c FILE"),
            ("run mixed://127.0.0.1:0", "A URL needs -L"), ("warren.yaml", "warren run -c warren.yaml"),
            ("help nosuch", "There is no command \"nosuch\""), ("help jet conect", "nearest known command: connect"),
            ("check -c a.yaml -c b.yaml", "-c is given twice"), ("status -c a.yaml -c b.yaml", "-c is given twice"),
        ])
    func meant(line: String, says: String) async throws {
        let arguments = line.split(separator: " ").map(String.init)
        let outcome = try await Program.run(WarrenProcess.executable, arguments)
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains(says))
        #expect(outcome.output.isEmpty)
    }

    @Test func warningsOfCheckHaveAPlace() async throws {
        let folder = try Folder()
        let file = folder.write(
            "w.yaml",
            """
            inbounds:
              - { name: a, type: mixed, listen: ":0" }
            outbounds:
              - { name: unused, type: socks5, server: "127.0.0.1:1" }
            relays:
              - { name: meet, type: jet, listen: "127.0.0.1:0", instance: nowhere.invalid }
            """)
        let outcome = try await WarrenProcess.run("check", "-c", file)
        #expect(outcome.code == 0)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.allSatisfy { $0.hasPrefix("\(file):") && $0.contains(": warning: ") })
        #expect(lines.contains { $0.hasPrefix("\(file):4:5: warning: nothing leads to the outbound \"unused\"") })
        #expect(lines.contains { $0.contains(": warning: the relay sends clients to \"nowhere.invalid\"") })
    }

    @Test func aNameToListenOnThatNobodyKnows() async throws {
        let outcome = try await WarrenProcess.run("run", "-L", "mixed://nowhere.invalid:0")
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("cannot listen on nowhere.invalid:0: unknown host; "))
    }

    @Test func theReasonComesBeforeTheOutputEnds() async throws {
        // Whoever reads the output writes what it has been told by then, as ssh does.
        let closed = try await Server.echo()
        let port = closed.port
        try await closed.stop()
        let program = try WarrenProcess.executable.path
        let script =
            "{ '\(program)' jet connect 127.0.0.1:\(port) e6ec698c-5793-4c63-af79-bd644ccf022f "
            + "2>reason </dev/null; } | { cat >/dev/null; cat reason; }"
        let folder = try Folder()
        let outcome = try await Program.run(URL(filePath: "/bin/sh"), ["-c", script], in: folder.path)
        #expect(outcome.output.contains("cannot connect: refused"))
        #expect(outcome.output.contains("the relay cannot be reached"))
    }

    @Test func checkIsQuietAboutWhatIsFine() async throws {
        let folder = try Folder()
        folder.write("warren.yaml", "inbounds: [{ name: a, type: mixed, listen: \"127.0.0.1:0\" }]\n")
        let outcome = try await WarrenProcess.run("check", in: folder.path)
        #expect(outcome.code == 0)
        #expect(outcome.output == "warren.yaml: fine\n")
        #expect(outcome.errors.isEmpty)
    }

    @Test func checkNamesEveryProblemWithItsPlace() async throws {
        let folder = try Folder()
        let file = folder.write(
            "bad.yaml",
            """
            inbounds:
              - name: a
                type: socks5
                lisen: 127.0.0.1:0
              - { name: a, type: mixd, listen: "127.0.0.1:0" }
              - { name: b, type: http, listen: "127.0.0.1:0", to: nowhere }
            drain: 10
            """
        )
        let outcome = try await WarrenProcess.run("check", "-c", file)
        #expect(outcome.code == 1)
        #expect(outcome.output.isEmpty)
        let lines = outcome.errors.split(separator: "\n")
        for place in ["4:5", "5:", "6:", "7:8"] {
            #expect(lines.contains { $0.hasPrefix("\(file):\(place)") }, "\(place)")
        }
        #expect(lines.contains { $0.contains("\"lisen\"") && $0.contains("listen") })
        #expect(lines.contains { $0.contains("mixd") && $0.contains("mixed") })
        #expect(lines.allSatisfy { $0.hasPrefix("\(file):") })
    }

    @Test func checkOfAFileThatIsNotThere() async throws {
        let outcome = try await WarrenProcess.run("check", "-c", "/nowhere/warren.yaml")
        #expect(outcome.code == 1)
        #expect(outcome.errors.hasPrefix("/nowhere/warren.yaml: "))
    }

    @Test func checkOpensNothing() async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        let file = folder.write("a.yaml", "inbounds: [{ name: a, type: http, listen: \"127.0.0.1:\(echo.port)\" }]\n")
        #expect(try await WarrenProcess.run("check", "-c", file).code == 0)
        try await echo.stop()
    }

    @Test func runSaysTheSameAsCheckAndEndsWith1() async throws {
        let folder = try Folder()
        let file = folder.write("bad.yaml", "inbounds: [{ name: a, type: mixed, lisen: x }]\n")
        let check = try await WarrenProcess.run("check", "-c", file)
        let run = try await WarrenProcess.run("run", "-c", file)
        #expect(run.code == 1)
        #expect(run.errors == check.errors)
    }

    @Test func runWithoutItsKeyFileEndsWith1() async throws {
        let outcome = try await WarrenProcess.run(
            "run", "-L", "mixed://127.0.0.1:0", "-F", "jproxy://127.0.0.1:1?key=/nowhere/key.dat"
        )
        #expect(outcome.code == 1)
        #expect(outcome.errors.hasPrefix("-F "))
        #expect(outcome.errors.contains("/nowhere/key.dat"))
    }

    @Test("a port that is in use ends the start with 2 and a sentence", arguments: [false, true])
    func portInUse(withOutbound: Bool) async throws {
        let echo = try await Server.echo()
        let folder = try Folder()
        #expect(try await WarrenProcess.run("keygen", "jproxy", "alice", "--out", folder.path).code == 0)
        var arguments = ["run", "-L", "mixed://127.0.0.1:0", "-L", "socks5://127.0.0.1:\(echo.port)"]
        if withOutbound { arguments += ["-F", "jproxy://127.0.0.1:1?key=\(folder.path)/key.dat"] }
        let outcome = try await Program.run(WarrenProcess.executable, arguments)
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("cannot listen on 127.0.0.1:\(echo.port): the port is in use"))
        #expect(!outcome.errors.contains("ready"))
        try await echo.stop()
    }

    @Test func keygenWritesAPairAndNeverOverwrites() async throws {
        let folder = try Folder()
        let first = try await WarrenProcess.run("keygen", "jproxy", "alice", "--out", folder.path)
        #expect(first.code == 0)
        let key = try Data(contentsOf: URL(filePath: "\(folder.path)/key.dat"))
        let users = try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/users")
        #expect(users.count == 1)
        #expect(first.output.contains("\(folder.path)/users/\(users.first ?? "?")"))
        let second = try await WarrenProcess.run("keygen", "jproxy", "bob", "--out", folder.path)
        #expect(second.code == 1)
        #expect(second.errors.contains("\(folder.path)/key.dat is there already"))
        #expect(try Data(contentsOf: URL(filePath: "\(folder.path)/key.dat")) == key)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/users") == users)
    }

    @Test func demoShowsEveryPathAndSaysWhatHappensThere() async throws {
        let outcome = try await WarrenProcess.run("demo", "--mebibytes", "1")
        #expect(outcome.code == 0)
        #expect(outcome.output.split(separator: "\n").count { $0.contains("every byte right") } == 12)
        let told = try await WarrenProcess.run("demo", "mproxy", "--mebibytes", "1").output
        #expect(told.hasPrefix("mproxy: The web server can only be reached from its own machine."))
        #expect(try await WarrenProcess.run("demo", "bogus").code == 1)
    }

    @Test func secretsFromTheEnvironmentAreNeverShown() async throws {
        let folder = try Folder()
        let file = folder.write("a.yaml", "inbounds: [{ name: a, type: mixed, listen: \"${PLACE}\" }]\n")
        let outcome = try await Program.run(
            WarrenProcess.executable, ["check", "-c", file], environment: ["PLACE": "hunter2 is no address"]
        )
        #expect(outcome.code == 1)
        #expect(!outcome.errors.contains("hunter2"))
        #expect(outcome.errors.hasPrefix("\(file):1:"))
    }
}
