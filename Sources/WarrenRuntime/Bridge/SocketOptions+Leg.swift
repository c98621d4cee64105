// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenLoop

// When a leg reads, splices and lingers.
extension SocketOptions {
    /// The largest read of the source of a session's stream: it has the carrier not for itself, and what it reads ahead
    /// waits in the stream's queue.
    static let smallRead = 128 << 10
    /// So many full reads in a row make a flow long: from then on it is spliced, until it comes in small pieces.
    static let fullReadsToSplice = 4
    static let worthSplicing = 32 << 10
    static let smallSplicesToCopy = 8
    /// More than two segments: the system does not put off acknowledging it.
    static let longRead = 4 << 10
    /// Reads in a row, before others have their turn.
    static let readsPerTurn = 4
    /// How long a peer's bytes are dropped after everything was sent.
    static let lingerTime = TimeAmount.seconds(2)
    /// Bytes that are dropped at most; a peer that sends more is made to wait, and reset once it has our last words.
    static let mostDropped = 256 << 10
    /// How often that is looked at.
    static let lastWordsTime = TimeAmount.milliseconds(50)
}
