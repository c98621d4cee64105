// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing

/// The real ssh over a raw port that a device has been granted.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: SecureShell.isThere, Comment(rawValue: SecureShell.absence)))
struct MProxyShellTests {
    @Test("a command over ssh gets its input, 8 MB, and is heard whole, and its status arrives")
    func aCommandOverThere() async throws {
        let shell = try await SecureShell.start()
        let relay = try await PublicRelay.start()
        try await relay.token("dev", "--port", "\(relay.raw)")
        let device = try await relay.device(serving: "\"\(relay.raw)\": \"127.0.0.1:\(shell.port)\"")
        // The port opens a moment after the device has come.
        try await relay.visitor().close()
        let content = Exchange.up(11, 8_000_000)
        let (input, output) = ("\(relay.folder.path)/input", "\(relay.folder.path)/output")
        try Data(content.readableBytesView).write(to: URL(filePath: input))
        let outcome = try await shell.run("cat; exit 7", at: relay.raw, input: input, output: output)
        #expect(outcome.code == 7, "\(outcome.errors)")
        #expect(try contents(of: output).sha256 == content.sha256)
        await device.stop()
        await relay.process.stop()
        await shell.stop()
    }
}
