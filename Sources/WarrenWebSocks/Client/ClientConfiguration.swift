// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

extension WebSocks {
    /// What an agent's connection asks a server, and as whom.
    public struct ClientConfiguration: Sendable {
        /// The field `Host`: ``freshHost(_:port:)`` or ``pooledHost(_:)``.
        public var host: String
        public var user: String
        /// ``Digest/secret(password:)``.
        public var secret: [UInt8]
        /// Whether every step waits for its answer. If not, the frame, the greeting and the request leave in one write.
        public var isStrict: Bool
        public var decoding: Decoding
        /// From the start to the answer to the upgrade.
        public var handshake: TimeAmount
        /// From the opening of the stream to the method: the server says so much at once, wherever the stream leads.
        public var opening: TimeAmount
        /// For the reply to the SOCKS5 request: some servers reach the target first.
        public var dialling: TimeAmount
        /// Milliseconds since 1970.
        public var wallClock: @Sendable () -> Int64

        public init(
            host: String, user: String, secret: [UInt8], isStrict: Bool = false, decoding: Decoding = .lenient,
            handshake: TimeAmount = .seconds(10), opening: TimeAmount = .seconds(10),
            dialling: TimeAmount = .seconds(60),
            wallClock: @escaping @Sendable () -> Int64
        ) {
            self.host = host
            self.user = user
            self.secret = secret
            self.isStrict = isStrict
            self.decoding = decoding
            self.handshake = handshake
            self.opening = opening
            self.dialling = dialling
            self.wallClock = wallClock
        }

        /// What agents say on a connection that is used at once: the address that was dialled, `192.0.2.1:443`.
        public static func freshHost(_ address: IPAddress, port: UInt16) -> String {
            address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
        }

        /// What agents say on a connection for their pool: the server's name without a port, or `null` where it was given by its
        /// address.
        public static func pooledHost(_ server: Host) -> String {
            switch server {
            case .name(let name): name
            case .address: "null"
            }
        }
    }
}
