// SPDX-License-Identifier: Apache-2.0

/// KCP: a reliable byte stream, or reliable messages, over datagrams that may be lost, doubled and out of order.
///
/// One ``KCP/Machine`` is one end of one conversation. It knows no sockets, no clock and no tasks: datagrams go in with
/// the time at which they came, datagrams to put out are polled, and ``KCP/Machine/deadline`` says when to poll again.
///
/// There is no integrity, authentication or encryption in KCP: what a stranger sends with the right
/// ``KCP/Configuration/conversation`` is taken for the peer's.
///
/// - Source: KCP protocol, and the deployed cores in C, Go and Java.
public enum KCP {
    /// Bytes before the data of each segment.
    public static let overhead = 24
}
