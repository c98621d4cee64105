// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore

/// One end of a relayed stream: a socket, or a stream of a session. Every call and every event is on one event loop.
package protocol Leg: AnyObject {
    /// Who is told what happens here; set once by the relay, before ``begin()``.
    var events: (any LegEvents)? { get set }
    /// Whether a write finds room. A write that does not is still taken: the other end stops soon.
    var isWritable: Bool { get }

    /// Starts the flow of events.
    func begin()
    func write(_ bytes: ByteBuffer)
    /// Sends what was written: once per burst of writes.
    func flush()
    /// Tells how much has been sent since it was last told: ``LegEvents/sent(_:by:)``.
    func recount()
    /// Stops or continues reading from this leg.
    func setReading(_ reading: Bool)
    /// No more will be written; what was written still leaves. The leg may go on receiving.
    func finish()
    /// Both directions are over. Nil lets everything written leave first; a fault drops it and resets.
    func end(_ fault: StreamFault?)
}

extension Leg {
    /// Gives up a leg that no relay will use.
    package func discard() { self.end(.aborted) }
}

/// What a leg tells its relay.
package protocol LegEvents: AnyObject {
    /// Whether ``sent(_:by:)`` is of use; counting costs a little.
    var countsSent: Bool { get }

    func received(_ bytes: ByteBuffer, by leg: any Leg)
    /// Nothing more for the moment.
    func receivedBurst(by leg: any Leg)
    /// The far side of this leg will send no more.
    func finished(by leg: any Leg)
    /// So many of the bytes written have left the process.
    func sent(_ count: Int, by leg: any Leg)
    func writabilityChanged(of leg: any Leg)
    /// The reader of this leg is about to be judged: the counts of the other one should be fresh.
    func recountReader(of leg: any Leg)
    /// The leg is gone. The last event of a leg.
    func ended(_ leg: any Leg, _ fault: StreamFault?)
}
