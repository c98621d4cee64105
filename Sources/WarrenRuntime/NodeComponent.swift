// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Something of a ``Node`` besides its listeners that is started with it and stopped with it.
package protocol NodeComponent: AnyObject, Sendable {
    /// For messages.
    var name: String { get }
    /// Told before the start what counts connections, for one that opens ports by itself.
    func prepare(_ limiter: ConnectionLimiter)
    /// Completes when it has tried once what it needs to be of use, whatever came of it. A failure is one of this machine, and ends the
    /// node.
    func start() -> EventLoopFuture<Void>
    /// The tunnels that it keeps up, or waits for.
    func tunnels() -> EventLoopFuture<[TunnelStatus]>?
    /// The process is on its way out: what runs may go on, but nothing lost is made again, and nothing new begins.
    func retire()
    /// Gives up everything, for good.
    func stop()
}

extension NodeComponent {
    package func prepare(_ limiter: ConnectionLimiter) {}
    package func tunnels() -> EventLoopFuture<[TunnelStatus]>? { nil }
}
