// SPDX-License-Identifier: Apache-2.0

/// Names one stream inside one session; meaningless outside it.
///
/// The number is the protocol's own where it has one (jProxy's id, vproxy's stream id), otherwise a counter.
public struct StreamID: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32
    @inlinable public init(_ rawValue: UInt32) { self.rawValue = rawValue }
    public var description: String { "#\(self.rawValue)" }
}
