// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WarrenAssembly
import WarrenConfiguration

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Prints a warren.yaml that does what the configuration of another program does.",
        subcommands: [VProxyAgent.self]
    )

    struct VProxyAgent: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "vproxy-agent",
            abstract: "Reads the configuration of vproxy's WebSocksProxyAgent.",
            discussion: """
                What has no equal is a comment at the top of what is printed. The password is not printed: write it into the
                file that is named there.
                """
        )

        @Argument(help: "The agent's file, vpws-agent.conf.", completion: .file())
        var file: String

        mutating func run() throws {
            do throws(Refusal) {
                let text = try TextFile.readStream(self.file, limit: VProxyAgentFile.longest)
                Console.print(try VProxyAgentFile.yaml(of: text))
            } catch {
                let hint = error.hint.map { "; \($0)" } ?? ""
                throw Failure(code: .usage, sentence: "\(self.file) \(error.what ?? "cannot be read")\(hint).")
            }
        }
    }
}
