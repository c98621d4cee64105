// SPDX-License-Identifier: Apache-2.0

extension JET {
    /// Where a relay listens, as a candidate says it to peers.
    public struct Endpoint: Hashable, Sendable {
        public enum Scheme: String, Hashable, Sendable, CaseIterable {
            case tcp
            case tls
            case ws
            case wss

            /// Whether a packet opens the session there, and not an upgrade.
            var takesPackets: Bool { self == .tcp || self == .tls }

            /// The word of the listing.
            var listed: String {
                switch self {
                case .tcp: "Tcp"
                case .tls: "Tls"
                case .ws: "Ws"
                case .wss: "Wss"
                }
            }
        }

        public var scheme: Scheme
        /// Used where the relay has no name of its own.
        public var host: String
        public var port: UInt16
        /// What stands before the paths of WebSockets, such as `/tunnel`; empty for nothing.
        public var prefix: String

        public init(scheme: Scheme, host: String, port: UInt16, prefix: String = "") {
            self.scheme = scheme
            self.host = host
            self.port = port
            self.prefix = prefix
        }

        /// `tcp://host:8080`, `wss://[2001:db8::1]:443/`, `ws://host:80/tunnel/`: clients append `jet/…` to the latter.
        ///
        /// - Parameter isOnly: whether the port of the relay's name stands for this one.
        func url(of instance: String, isOnly: Bool) -> String {
            let name = InstanceName(instance.isEmpty ? self.host : instance)
            let port = isOnly && !instance.isEmpty ? name.port ?? self.port : self.port
            let path = self.scheme.takesPackets ? "" : "\(self.prefix)/"
            return "\(self.scheme.rawValue)://\(name.hostInURL):\(port)\(path)"
        }
    }
}
