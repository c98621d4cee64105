// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

/// A listening socket whose queue is full: connections to it get no answer.
struct SilentServer: Sendable {
    static let host = "127.0.0.4"
    var address: SocketAddress { self.server.address }
    private let server: TestServer
    private let fillers: [any Channel]

    /// - Parameter port: 0 for any that is free.
    static func start(port: UInt16 = 0) async throws -> SilentServer {
        let server = try await TestServer.start(host: Self.host, port: port, accepts: false, backlog: 1)
        var fillers: [any Channel] = []
        // The system takes one more than it was told. As soon as one behind those gets no answer in this time, the queue is
        // full; before that it is this machine that takes its time.
        var attempts = 0
        while fillers.count < 16, attempts < 64 {
            attempts += 1
            do {
                let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connectTimeout(.milliseconds(300))
                    .connect(to: server.address).get()
                fillers.append(channel)
            } catch {
                guard fillers.count >= 2 else { continue }
                return SilentServer(server: server, fillers: fillers)
            }
        }
        throw ChannelError.operationUnsupported
    }

    func stop() async throws {
        for filler in self.fillers { try await filler.close() }
        try await self.server.stop()
    }
}
