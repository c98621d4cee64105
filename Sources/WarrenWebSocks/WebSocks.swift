// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import WarrenCore

/// WebSocks: SOCKS5 in the clothes of a WebSocket, as vproxy's WebSocksProxyAgent and WebSocksProxyServer speak it.
///
/// One carrier is one stream: ``AgentMachine`` dials and asks, ``ServerMachine`` answers; both hand their carrier over.
public enum WebSocks: TunnelProtocol {
    public static let name = "websocks"

    /// Any HTTP request may begin one: a stranger gets a page.
    public static func detect(_ head: ByteBufferView) -> Detection {
        let method = Array("GET ".utf8)
        let known = min(head.count, method.count)
        guard head.prefix(known).elementsEqual(method.prefix(known)) else { return .no }
        return known == method.count ? .yes : .needs(bytes: method.count)
    }

    /// How much of what peers send is forgiven.
    public enum Decoding: String, Hashable, Sendable, CaseIterable {
        /// Lists and any case in `Upgrade`, `Connection` and `Sec-WebSocket-Protocol`, as RFC 6455 allows.
        case lenient
        /// What the deployed programs take, and nothing else.
        case deployed
    }

    /// When a server says that the target is reached.
    public enum Dialect: String, Hashable, Sendable, CaseIterable {
        /// At once; where it then cannot be reached, the connection ends.
        case deployed
        /// When it is, with SOCKS5's own words where it is not.
        case connectFirst
    }

    /// The carrier's only stream.
    static let stream = StreamID(0)
    /// Bytes that wait for a peer or a target before we stop reading.
    static let mostEarlyBytes = 64 << 10
}
