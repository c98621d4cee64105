// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// The answer to "does a carrier that starts with these bytes speak your protocol?"
public enum Detection: Hashable, Sendable {
    case yes
    case no
    /// Ask again when so many bytes are there; never more than ``mostBytes``.
    case needs(bytes: Int)

    /// No protocol needs to see more than this to be told apart: the longest is a ClientHello with keys of all kinds.
    public static let mostBytes = 16 << 10
}

/// What every protocol says of itself. One conformance per protocol folder.
public protocol TunnelProtocol: SendableMetatype {
    /// The word used in configuration files, logs and metrics.
    static var name: String { get }
    static func detect(_ head: ByteBufferView) -> Detection
}
