// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// An outbound whose carriers go through a tunnel of its own.
package final class TunnelledOutbound: Outbound, NodeComponent {
    private let inner: any Outbound
    private let parts: ComponentGroup

    /// - Parameter inner: dials through the tunnel.
    package init(_ inner: any Outbound, through tunnel: SessionOutbound) {
        self.inner = inner
        self.parts = ComponentGroup(tunnel, (inner as? any NodeComponent).map { [$0] } ?? [])
    }

    package var name: String { self.inner.name }
    package var home: SocketLoop? { self.inner.home }

    package func open(
        _ request: StreamRequest, trusted: Bool, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        self.inner.open(request, trusted: trusted, on: loop, answer: answer)
    }

    package func prepare(_ limiter: ConnectionLimiter) { self.parts.prepare(limiter) }
    package func start() -> EventLoopFuture<Void> { self.parts.start() }
    package func tunnels() -> EventLoopFuture<[TunnelStatus]>? { self.parts.tunnels() }
    package func retire() { self.parts.retire() }
    package func stop() { self.parts.stop() }
}
