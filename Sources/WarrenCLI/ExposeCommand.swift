// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Warren
import WarrenConfiguration

struct ExposeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expose",
        abstract: "Serves a local port under a public name, or a port of a relay, until it is ended.",
        discussion: """
            LOCAL sees what visitors send, TLS included: a name is served over https, so LOCAL speaks TLS and has the
            certificate for the name. Prints where it is served when the relay has granted that; ends with 2 if the
            relay does not.
            """
    )

    @Argument(help: "The name to serve, such as www.example.net, or a port of the relay, such as 2222.")
    var name: String

    @Argument(help: "What serves it, such as 127.0.0.1:8443.")
    var local: String

    @Option(name: .long, help: "The relay: wss://relay.example.net, or ws:// where that is safe.")
    var relay: String

    @Option(name: .customLong("token-file"), help: "The file with the token for the name.")
    var tokenFile: String

    @Option(
        name: .customLong("tls-ca"), help: "PEM file with the certificates to trust instead of those of the system.")
    var tlsCA: String?

    @Option(name: .long, help: "v1-go for a relay in Go, v1-node; the default is to tell by the relay's first words.")
    var dialect: String?

    @Option(
        name: .customLong("log-level"), help: "trace, debug, info, notice, warning or error; the default is notice.")
    var logLevel = "notice"

    mutating func run() async throws {
        let daemon: Daemon
        do {
            daemon = try Daemon(yaml: self.yaml, name: "expose", environment: [:])
        } catch {
            throw Failure(code: .usage, sentence: "\(error)")
        }
        let address = self.address
        let silence = "the relay \(self.host) has not confirmed \(self.name) yet; still trying"
        do {
            try await daemon.run(
                exposing: self.name, onServed: { Console.print(address) }, onSilence: { Console.error(silence) })
        } catch let failure as DaemonFailure {
            throw Failure(code: .start, sentence: "\(failure)")
        }
    }

    /// Where visitors find it, as far as that is known here.
    private var address: String {
        UInt16(self.name).map { "\(self.host):\($0)" } ?? "https://\(self.name)"
    }

    private var host: String { URLComponents(string: self.relay)?.host ?? self.relay }

    /// JSON is YAML.
    private var yaml: String {
        var inbound: [String: Any] = [
            "name": "expose", "type": "mproxy", "relay": self.relay, "tokenFile": Self.absolute(self.tokenFile),
            "services": [self.name: self.local],
        ]
        if let dialect { inbound["dialect"] = dialect }
        if let tlsCA { inbound["tls"] = ["ca": Self.absolute(tlsCA)] }
        let all: [String: Any] = ["inbounds": [inbound], "log": ["level": self.logLevel]]
        let data = (try? JSONSerialization.data(withJSONObject: all, options: [.withoutEscapingSlashes])) ?? Data()
        return String(decoding: data, as: UTF8.self)
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }
}
