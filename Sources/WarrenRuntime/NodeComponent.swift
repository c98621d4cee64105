// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Something of a ``Node`` besides its listeners that is started with it and stopped with it.
package protocol NodeComponent: AnyObject, Sendable {
    /// For messages.
    var name: String { get }
    /// Told before the start whose place it takes: one of a unit of the same name, which drains.
    func follow(_ former: any NodeComponent)
    /// Told before the start what counts connections, for one that opens ports by itself.
    func prepare(_ limiter: ConnectionLimiter)
    /// Told before the start of one that leaves in the same exchange, whose open ports it may have.
    func takeOver(from other: any NodeComponent)
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
    package func follow(_ former: any NodeComponent) {}
    package func prepare(_ limiter: ConnectionLimiter) {}
    package func takeOver(from other: any NodeComponent) {}
    package func tunnels() -> EventLoopFuture<[TunnelStatus]>? { nil }
}

/// Several components as one.
package final class ComponentGroup: NodeComponent {
    package let name: String
    private let first: any NodeComponent
    private let others: [any NodeComponent]

    private var parts: [any NodeComponent] { [self.first] + self.others }

    package init(_ first: any NodeComponent, _ others: [any NodeComponent]) {
        self.name = first.name
        self.first = first
        self.others = others
    }

    package func prepare(_ limiter: ConnectionLimiter) { for part in self.parts { part.prepare(limiter) } }

    package func start() -> EventLoopFuture<Void> {
        let (first, others) = (self.first.start(), self.others.map { $0.start() })
        return EventLoopFuture.andAllSucceed([first] + others, on: first.eventLoop)
    }

    package func tunnels() -> EventLoopFuture<[TunnelStatus]>? {
        let all = self.parts.compactMap { $0.tunnels() }
        return all.first.map { EventLoopFuture.whenAllSucceed(all, on: $0.eventLoop).map { $0.flatMap { $0 } } }
    }

    package func retire() { for part in self.parts { part.retire() } }
    package func stop() { for part in self.parts { part.stop() } }
}
