// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing

/// A relay with public names as a real process, and devices for it.
struct PublicRelay: Sendable {
    let process: WarrenProcess
    let folder: Folder
    /// A port of the relay that devices may have.
    let raw: Int

    /// - Parameter keys: further keys of the outbound.
    static func start(keys: String = "") async throws -> PublicRelay {
        try await Self.start { raw, _ in Self.yaml(raw, outbound: keys) }
    }

    /// With a certificate for localhost, `localhost.crt` and `authority.crt` in its folder.
    ///
    /// - Parameter yaml: told the raw port and the folder.
    static func start(_ yaml: (Int, String) -> String) async throws -> PublicRelay {
        let folder = try Folder()
        folder.write("secret", "a secret of this test and of no other one\n")
        let made = try await WarrenProcess.run(
            "keygen", "tls", "localhost", "--name", "dev.test", "--out", folder.path)
        #expect(made.code == 0, "\(made.errors)")
        let raw = try await Server.freePort()
        let process = try await WarrenProcess.start(yaml: yaml(raw, folder.path), in: folder, name: "relay")
        return PublicRelay(process: process, folder: folder, raw: raw)
    }

    static func yaml(_ raw: Int, inbound: String = "", outbound: String = "") -> String {
        """
        log: { level: debug }
        inbounds:
          - { name: visitors, type: public, listen: "127.0.0.1:0", to: devices, http: pass, ports: \(raw)\(inbound) }
        outbounds:
          - { name: devices, type: mproxy, listen: "127.0.0.1:0", secretFile: secret, host: relay.test\(outbound) }
        """
    }

    /// Makes a token and writes it into a file.
    @discardableResult
    func token(
        _ name: String, secret: String = "secret", expires: String = "1h", _ words: String...
    ) async throws -> String {
        let arguments = ["token", "mproxy", "--secret-file", secret, "--expires", expires] + words
        let made = try await Program.run(
            WarrenProcess.executable, arguments, in: self.folder.path, environment: [:])
        #expect(made.code == 0, "\(made.errors)")
        self.folder.write("\(name).token", made.output)
        return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// - Returns: a device that is up, or would be if it might.
    func device(
        _ name: String = "dev", serving services: String, scheme: String = "ws://127.0.0.1", keys: String = "",
        at listener: String = "devices", waits: Bool = true, number: Int = 1
    ) async throws -> WarrenProcess {
        let port = try self.process.port(listener)
        let process = try await WarrenProcess.start(
            yaml: """
                inbounds:
                  - { name: \(name), type: mproxy, relay: "\(scheme):\(port)", tokenFile: \(name).token, services: { \(services) }\(keys) }
                  - { name: idle, type: mixed, listen: "127.0.0.1:0" }
                """, in: self.folder, name: name)
        if waits { _ = await self.process.program.errors.line(with: "tunnel up", number: number) }
        return process
    }

    /// A visitor of its raw port, which opens a moment after the device has come.
    func visitor() async throws -> Wire {
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: self.raw)
        while !Task.isCancelled {
            if let wire = try? await Wire.connect(to: address) { return wire }
            await Task.yield()
        }
        throw CancellationError()
    }

    /// Asks for a page under a name.
    func ask(_ host: String, at listener: String = "visitors") async throws -> String {
        let wire = try await Wire.connect(to: self.process.address(listener))
        try await wire.send(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n"))
        let answer = try await wire.readToEnd().bytes
        wire.close()
        return String(buffer: answer)
    }
}

extension Server {
    /// Answers every request with a page.
    static func page(_ text: String) async throws -> Server {
        try await Self.answering(
            ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"))
    }

    /// Answers with what it has been sent so far, as soon as a head is whole, and ends. HTTP of its own is around it.
    static func mirror() async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(MirrorHandler()) }
        }
    }
}

private final class MirrorHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var input = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.input.writeImmutableBuffer(self.unwrapInboundIn(data))
        guard self.input.readableBytesView.firstRange(of: Array("\r\n\r\n".utf8)) != nil else { return }
        var answer = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: \(self.input.readableBytes)\r\n\r\n")
        answer.writeBuffer(&self.input)
        context.writeAndFlush(NIOAny(answer), promise: nil)
        context.close(promise: nil)
    }
}
