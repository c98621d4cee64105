// SPDX-License-Identifier: Apache-2.0

/// How the load generator gets to its target: where it connects, and what it says first.
@_spi(Bench) public struct LoadRoute: Sendable {
    /// Something to say, and what must come back.
    struct Step: Sendable {
        let say: [UInt8]
        /// Bytes of the answer; 0 is the end of the connection.
        let count: Int
        let prefix: [UInt8]
    }

    let port: UInt16
    let steps: [Step]

    /// Whatever listens at a port of 127.0.0.1 leads to the target.
    public static func plain(port: UInt16) -> LoadRoute { LoadRoute(port: port, steps: []) }

    /// A SOCKS5 inbound without users, which is asked for the target by its address.
    public static func socks5(port: UInt16, target: UInt16) -> LoadRoute {
        let request: [UInt8] = [5, 1, 0, 1, 127, 0, 0, 1, UInt8(target >> 8), UInt8(target & 0xFF)]
        return LoadRoute(
            port: port,
            steps: [
                Step(say: [5, 1, 0], count: 2, prefix: [5, 0]), Step(say: request, count: 10, prefix: [5, 0]),
            ]
        )
    }

    /// The longest answer, in bytes.
    var longestAnswer: Int { self.steps.map(\.count).max() ?? 0 }

    /// Connects and says everything, waiting for each answer.
    func open() throws -> LoadSocket {
        let socket = try LoadSocket()
        do {
            socket.limitWaiting()
            _ = try socket.connect(to: self.port)
            var answer = [UInt8](repeating: 0, count: self.longestAnswer)
            for step in self.steps {
                try step.say.withUnsafeBytes { bytes in try socket.sendAll(bytes) }
                try answer.withUnsafeMutableBytes { bytes in
                    try socket.receiveAll(UnsafeMutableRawBufferPointer(rebasing: bytes[..<step.count]))
                }
                guard answer.starts(with: step.prefix) else {
                    throw LoadFailure("the inbound refused: \(answer[..<step.count])")
                }
            }
            return socket
        } catch {
            socket.close()
            throw error
        }
    }
}
