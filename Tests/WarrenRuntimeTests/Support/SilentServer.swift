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
        // The system takes one more than it was told, and some of these may come too late for the one who asks where the
        // machine is busy. When several in a row get no answer, the queue is full.
        var unanswered = 0
        while fillers.count < 16 {
            do {
                let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connectTimeout(.milliseconds(100))
                    .connect(to: server.address).get()
                fillers.append(channel)
                unanswered = 0
            } catch {
                unanswered += 1
                guard unanswered >= 4 else { continue }
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
