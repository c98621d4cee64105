// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WarrenCore
import WarrenLoop
import WarrenRuntime
import WarrenVProxy

/// A vproxy tunnel between a port and who takes its connections: each stream of the tunnel is a connection.
struct TunnelAcceptLayer: AcceptLayer {
    let unit: UnitTag
    let configuration: VProxy.Configuration
    let loops: Loops
    let reporter: Reporter

    func accept(_ leg: any Leg, at port: AcceptPort, then next: @escaping Listener.Install) throws {
        let owner = TunnelledConnections(layer: self, port: port, next: next)
        self.loops.context(on: port.loop).start(VProxy.ServerMachine(self.configuration), on: leg, owner: owner)
    }
}

/// Hands the streams of one tunnel on. What becomes of them is told by who takes them.
private struct TunnelledConnections: SessionOwner {
    let layer: TunnelAcceptLayer
    let port: AcceptPort
    let next: Listener.Install

    var judge: any Authenticator { NoAuthenticator() }
    /// So that it ends with its unit, and people see it.
    var label: SessionLabel? {
        let unit = self.layer.unit
        return SessionLabel(role: unit.role, name: unit.name, unit: unit, carriesConnections: true)
    }

    func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let (end, accepted) = CrossingLeg.pair(loop, from: request.source, isInAdvance: true)
        answer(.success(end))
        do { try self.next(accepted, loop) } catch { accepted.discard() }
        return NoAttempt()
    }

    func streamEnded(_ request: StreamRequest, _ report: BridgeReport, user: String?) {}
    func sessionBegan(_ session: any Session) {}

    func sessionReady(_ session: any Session) {
        self.layer.reporter.emit(
            .sessionStarted(inbound: self.layer.unit.name, protocol: VProxy.name, peer: session.peer, user: nil))
    }

    func sessionEnded(_ session: any Session, _ reason: CloseReason) {
        self.layer.reporter.emit(
            .sessionEnded(
                inbound: self.layer.unit.name, protocol: VProxy.name, peer: session.peer, user: nil, reason: reason,
                wasUp: session.isReady, isWorthALook: reason.isWorthALook))
    }
}
