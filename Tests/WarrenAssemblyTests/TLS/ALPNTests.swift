// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Testing
import WarrenTesting

/// What both ends of WebSocks say of what is inside TLS.
@Suite(.timeLimit(.minutes(1))) struct ALPNTests {
    private let folder: TemporaryFolder
    private let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton

    init() throws {
        self.folder = try TemporaryFolder()
        TestCertificates.write(to: self.folder)
        self.folder.write("pw", "secret")
    }

    /// Tells what a handshake has agreed on; "" for nothing.
    private final class Agreed: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let answer: EventLoopPromise<String>
        init(_ answer: EventLoopPromise<String>) { self.answer = answer }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard case TLSUserEvent.handshakeCompleted(let agreed) = event else { return }
            self.answer.succeed(agreed ?? "")
            context.close(promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { self.answer.fail(error) }
        func channelInactive(context: ChannelHandlerContext) { self.answer.fail(ChannelError.eof) }
    }

    @Test(
        "the server speaks HTTP/1.1 with browsers, and takes agents that say nothing of it",
        arguments: [["h2", "http/1.1"], [], ["h2"]])
    func server(offered: [String]) async throws {
        let yaml = """
            inbounds:
              - name: in
                type: websocks
                listen: "127.0.0.1:0"
                tls: { cert: cert.pem, key: key.pem }
                users: { alice: { passwordFile: pw } }
            """
        try await withNode(yaml, in: self.folder.path) { ports, _ in
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(self.folder.path + "/ca.pem"))
            configuration.applicationProtocols = offered
            let context = try NIOSSLContext(configuration: configuration)
            let answer = self.group.next().makePromise(of: String.self)
            _ = try await ClientBootstrap(group: answer.futureResult.eventLoop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let tls = try NIOSSLClientHandler(context: context, serverHostname: "localhost")
                        try channel.pipeline.syncOperations.addHandlers([tls, Agreed(answer)])
                    }
                }
                .connect(to: #require(ports["in"])).get()
            #expect(try await answer.futureResult.get() == (offered.contains("http/1.1") ? "http/1.1" : ""))
        }
    }

    @Test("the agent asks for HTTP/1.1, as deployed agents do") func agent() async throws {
        let identity = try NIOSSLPrivateKey(file: self.folder.path + "/key.pem", format: .pem)
        let chain = try NIOSSLCertificate.fromPEMFile(self.folder.path + "/cert.pem")
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(identity))
        configuration.applicationProtocols = ["h2", "http/1.1"]
        let context = try NIOSSLContext(configuration: configuration)
        let answer = self.group.next().makePromise(of: String.self)
        let server = try await ServerBootstrap(group: answer.futureResult.eventLoop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOSSLServerHandler(context: context), Agreed(answer),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let yaml = """
            inbounds: [{ name: in, type: forward, listen: "127.0.0.1:0", target: "far.test:80", to: out }]
            outbounds:
              - name: out
                type: websocks
                server: "localhost:\(server.localAddress?.port ?? 0)"
                tls: { ca: ca.pem }
                user: alice
                passwordFile: pw
            """
        try await withNode(yaml, in: self.folder.path) { ports, _ in
            let door = try #require(ports["in"])
            // The server here ends all after the handshake, perhaps before the visitor knows that he is connected.
            let visitor = try? await ClientBootstrap(group: self.group).connect(to: door).get()
            #expect(try await answer.futureResult.get() == "http/1.1")
            try? await visitor?.close()
        }
        try await server.close()
    }
}
