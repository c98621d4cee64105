// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Warren
import WarrenAssembly
import WarrenCertificates

struct KeygenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen",
        abstract: "Makes key files and certificates.",
        subcommands: [JProxy.self, VProxy.self, TLS.self]
    )

    struct JProxy: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "jproxy",
            abstract: "Writes key.dat for a client and users/<HASH>.dat for its server."
        )

        @Argument(help: "The user's name, for the server's log.")
        var name: String

        @Option(name: .customLong("out"), help: "The folder to write to.")
        var folder = "."

        mutating func run() throws {
            do {
                let written = try JProxyKeys.write(name: self.name, to: self.folder)
                Console.print("client: \(written.clientFile)   keep it secret; give it to the client only")
                Console.print("server: \(written.userFile)   put it into the server's users folder")
            } catch {
                throw Failure(code: .usage, sentence: "\(error)")
            }
        }
    }

    struct VProxy: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "vproxy",
            abstract: "Writes NAME.key and NAME.pub for one end of a vproxy tunnel over KCP, or one secret for both.",
            discussion: """
                With a pair for each end, every client can be told apart and locked out: run it once for the server and once
                for each client. With --shared there is one file for all of them. No file is overwritten.
                """
        )

        @Argument(help: "What the files are called, such as the name of the machine.")
        var name: String

        @Flag(name: .customLong("shared"), help: "Makes one secret that both ends have, in the place of a pair.")
        var isShared = false

        @Option(name: .customLong("out"), help: "The folder to write to.")
        var folder = "."

        mutating func run() throws {
            let written: VProxyKeys.Written
            do {
                written = try VProxyKeys.write(name: self.name, isShared: self.isShared, to: self.folder)
            } catch {
                throw Failure(code: .usage, sentence: "\(error)")
            }
            guard let publicFile = written.publicFile else {
                return Console.print("key: \(written.keyFile)   for key: of both ends; keep it secret")
            }
            Console.print("key: \(written.keyFile)   for key: of this end; keep it secret, no other machine needs it")
            Console.print(
                "pub: \(publicFile)   copy it to the other end: a client's for clients:, the server's for serverKey:")
        }
    }

    struct TLS: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tls",
            abstract: "Makes an authority and a certificate for a server or a client.",
            discussion: """
                The certificate is valid for 825 days, the authority for ten years. Where the folder has an authority
                already, that one signs: run it again in the same folder for further machines, or to renew one whose files
                you have moved away. No file is overwritten.
                """
        )

        @Argument(help: "The host name or IP address that clients dial; any word for a client.")
        var name: String

        @Option(
            name: .customLong("name"),
            help: ArgumentHelp("A further host name or IP address of the same machine.", valueName: "name"))
        var further: [String] = []

        @Option(name: .customLong("out"), help: "The folder to write to.")
        var folder = "."

        mutating func run() throws {
            let files: CertificateFiles
            do throws(CertificateFailure) {
                files = try CertificateFiles.write(names: [self.name] + self.further, to: self.folder)
            } catch {
                throw Failure(code: .usage, sentence: "\(error)")
            }
            let end = files.end.formatted(.iso8601.year().month().day())
            Console.print("cert:  \(files.certificate)   for cert: of the machine with this name; valid until \(end)")
            Console.print("key:   \(files.key)   for its key: keep it secret; no other machine needs it")
            Console.print(
                "ca:    \(files.authority)   for ca: of the other end, which then trusts what this authority has signed"
            )
            guard files.authorityIsNew else { return }
            Console.print(
                "keep:  \(files.authorityKey)   signs further certificates: keep it secret; no machine needs it while it runs"
            )
        }
    }
}
