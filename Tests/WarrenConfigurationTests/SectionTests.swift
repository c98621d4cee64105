// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import WarrenTesting

@testable import WarrenConfiguration

@Suite struct SectionTests {
    @Test func readsOptionalDefaultAndRequiredValues() {
        let section = makeSection("a: 1s\nb: x\n")
        #expect(section.optional("a", .duration) == .seconds(1))
        #expect(section.optional("none", .duration) == nil)
        #expect(section.value("b", .duration, default: .seconds(3)) == .seconds(3))
        #expect(section.required("c", .listenAddress) == nil)
        #expect(
            section.findings.lines == [
                "a.yaml:1:1: the key \"c\" is missing; expected an address to listen on such as 127.0.0.1:1080",
                "a.yaml:2:4: expected a duration such as 10s, found \"x\"",
            ]
        )
    }

    @Test func reportsKeysNobodyAskedFor() {
        let section = makeSection("listen: 1\nlisen: 2\nzzzzzz: 3\ntls:\n  crt: a\n")
        _ = section.required("listen", .string)
        _ = section.section("tls")?.optional("cert", .string)
        _ = section.section("tls")
        section.finish()
        #expect(
            section.findings.lines == [
                "a.yaml:2:1: unknown key \"lisen\"; nearest known key: listen",
                "a.yaml:3:1: unknown key \"zzzzzz\"; known keys: listen, tls",
                "a.yaml:5:3: unknown key \"crt\"; nearest known key: cert",
            ]
        )
    }

    @Test func takesKebabCaseOnlyOnTheCommandLine() {
        let section = makeSection("password-file: a\n")
        #expect(section.optional("passwordFile", .string) == nil)
        section.finish()
        let expected = "a.yaml:1:1: unknown key \"password-file\"; nearest known key: passwordFile"
        #expect(section.findings.lines == [expected])
        #expect(CamelCase.from("password-file") == "passwordFile")
        #expect(CamelCase.from("passwordFile") == "passwordFile")
        #expect(CamelCase.from("-") == "")
    }

    @Test func reportsWrongShapes() {
        let section = makeSection("a: [1]\nb: 1\nc: { x: 1 }\nd:\n")
        #expect(section.section("a") != nil)
        #expect(section.sections("b") == nil)
        #expect(section.items("c").isEmpty)
        #expect(section.items("d").isEmpty)
        #expect(section.items("a").isEmpty)
        #expect(
            section.findings.lines == [
                "a.yaml:1:4: expected a map of keys, found a list",
                "a.yaml:1:5: expected a map of keys, found \"1\"",
                "a.yaml:2:4: expected a map from names to maps of keys, found \"1\"",
                "a.yaml:3:4: expected a list of entries, found a map of keys",
            ]
        )
    }

    @Test func readsPathsFromTheFolderOfTheFile() {
        let section = makeSection("a: users\nb: /etc/x\n", folder: "conf")
        #expect(section.required("a", .path) == "conf/users")
        #expect(section.required("b", .path) == "/etc/x")
        #expect(TextFile.folder(of: "/etc/warren.yaml") == "/etc")
        #expect(TextFile.folder(of: "/warren.yaml") == "/")
        #expect(TextFile.folder(of: "warren.yaml") == "")
        #expect(TextFile.path("a", in: "/") == "/a")
    }

    @Test func readsSecretsFromFiles() throws {
        let folder = try TemporaryFolder()
        folder.write("pw", "hunter2\r\nmore\n")
        folder.write("empty", "\nx")
        folder.write("open", "x", mode: 0o644)
        let section = makeSection("a: pw\nb: empty\nc: none\nd: open\ne: .\n", folder: folder.path)
        let secret = section.required("a", .secretFile)
        #expect(secret?.text == "hunter2")
        #expect(secret.map { "\($0)" } == "(secret)")
        for key in ["b", "c", "d", "e"] { _ = section.optional(key, .secretFile) }
        #expect(
            section.findings.lines == [
                "a.yaml:2:4: \"empty\" holds no secret in its first line; write nothing but the secret there",
                "a.yaml:3:4: the file that is named here does not exist; name a file in \(folder.path) with nothing but "
                    + "the secret in it",
                "a.yaml:5:4: the file that is named here is a directory; name a file in \(folder.path) with nothing but "
                    + "the secret in it",
            ]
        )
        let note = "a.yaml:4:4: the group or everybody may read \"open\", which holds a secret; chmod 600"
        #expect(section.findings.notes.map(\.description) == [note])
    }

    @Test func takesNoByteOrderMarkForContent() throws {
        let folder = try TemporaryFolder()
        folder.write("pw", "\u{FEFF}s3cret\r\n")
        let section = makeSection("a: pw\n", folder: folder.path)
        #expect(section.required("a", .secretFile)?.text.utf8.elementsEqual("s3cret".utf8) == true)
        for start in ["", "---\n", "%YAML 1.1\n---\n"] {
            let file = folder.write("w.yaml", "\u{FEFF}\(start)a: 1\nb: 2\n")
            let findings = Findings()
            let node = ConfigNode.read(file: file, environment: noEnvironment, findings: findings)
            #expect(findings.lines == [])
            guard case .map(let pairs) = node?.content else {
                Issue.record("there is no map after \(start)")
                continue
            }
            #expect(pairs.map(\.key) == ["a", "b"])
        }
    }

    @Test(
        "takes one variable for a secret, and no text around it",
        arguments: ["hunter2$$", "hunter2${PW}", "${PW}${PW}", "$${PW}"]
    )
    func takesOneVariableForASecret(text: String) {
        let section = makeSection("password: '\(text)'\n", environment: ["PW": "hunter2"])
        #expect(section.secret("password") == nil)
        #expect(section.findings.lines.count == 1)
        #expect(section.findings.lines.first?.contains("does not belong here in plain text") == true)
    }

    @Test func takesSecretsFromTheEnvironmentButNotFromTheFile() throws {
        let environment = ["PW": "hunter2"]
        #expect(makeSection("password: ${PW}\n", environment: environment).secret("password")?.text == "hunter2")
        let plain = makeSection("password: hunter2\n")
        #expect(plain.secret("password") == nil)
        #expect(
            plain.findings.lines == [
                "a.yaml:1:11: a secret does not belong here in plain text; "
                    + "write it into a file and name that as passwordFile, or ${NAME} from the environment"
            ]
        )
        for text in ["hunter2$$", "hunter2${PW}", "${PW}2", "$${PW}", "${PW}${PW}", "$$"] {
            let mixed = makeSection("password: \(text)\n", environment: environment)
            #expect(mixed.secret("password") == nil, "\(text)")
            #expect(mixed.findings.lines.first?.contains("does not belong here in plain text") == true, "\(text)")
        }
        let both = makeSection("password: ${PW}\npasswordFile: x\n", environment: environment)
        #expect(both.secret("password") == nil)
        #expect(both.findings.lines == ["a.yaml:1:11: password and passwordFile are both given; remove one of them"])
        let none = makeSection("a: 1\n")
        #expect(none.secret("token", isRequired: true) == nil)
        let missing = "a.yaml:1:1: the key \"tokenFile\" is missing; expected a file that holds the token"
        #expect(none.findings.lines == [missing])
    }

    @Test func readsUsers() throws {
        let folder = try TemporaryFolder()
        folder.write("alice.pw", "wonder\n")
        let yaml =
            "users:\n  alice: { passwordFile: alice.pw }\n  bob: { passwrdFile: x }\n  'a:b': { passwordFile: alice.pw }\n"
        let section = makeSection(yaml, folder: folder.path)
        #expect(section.users()?.map { "\($0.name) \($0.password.text)" } == ["alice wonder"])
        section.finish()
        #expect(
            section.findings.lines == [
                "a.yaml:3:8: the key \"passwordFile\" is missing; expected a file that holds the password",
                "a.yaml:3:10: unknown key \"passwrdFile\"; nearest known key: passwordFile",
                "a.yaml:4:3: the name of a user holds a colon; write NAME: { passwordFile: FILE }",
            ]
        )
        #expect(makeSection("a: 1\n").users() == nil)
        let empty = makeSection("users: {}\n")
        #expect(empty.users() == [])
        let expected = "a.yaml:1:8: there are no users, so nobody could log in; remove it to let everybody in"
        #expect(empty.findings.lines == [expected])
    }

    @Test func readsTLSBlocks() throws {
        let folder = try TemporaryFolder()
        folder.write("c.pem", "")
        folder.write("k.pem", "")
        let section = makeSection("tls: { cert: c.pem, key: k.pem, serverName: example.net }\n", folder: folder.path)
        let tls = section.tls(for: .server)
        #expect(tls?.certificate?.value == "\(folder.path)/c.pem")
        #expect(tls?.key?.place == Place(file: "a.yaml", line: 1, column: 26))
        #expect(tls?.serverName?.value == "example.net")
        #expect(tls?.verifies == true)
        section.finish()
        #expect(section.findings.isEmpty)
    }

    @Test(
        "judges TLS blocks",
        arguments: [
            ("tls: true", .client, true, []), ("tls: false", .server, false, []), ("a: 1", .server, false, []),
            ("tls: { verify: false }", .client, true, []),
            (
                "tls: true", .server, false,
                ["a.yaml:1:6: a listener with TLS needs a certificate; write tls: { cert: FILE, key: FILE }"]
            ),
            ("tls: maybe", .client, false, ["a.yaml:1:6: expected true or false, found \"maybe\""]),
            (
                "tls: {}", .server, true,
                ["a.yaml:1:6: the key \"cert\" is missing; expected a PEM file; cert and key go together"]
            ),
            (
                "tls: { ca: no.pem }", .client, true,
                ["a.yaml:1:12: \"no.pem\" does not exist; create it or correct the path"]
            ),
        ] as [(String, TLSSettings.Role, Bool, [String])]
    )
    func judgesTLSBlocks(yaml: String, role: TLSSettings.Role, isGiven: Bool, problems: [String]) {
        let section = makeSection(yaml)
        #expect((section.tls(for: role) != nil) == isGiven)
        #expect(section.findings.lines == problems)
    }
}
