// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import WarrenCore
package import WarrenLoop

/// What a session's handler asks of its surroundings; one per inbound or outbound entry, shared by its sessions.
package protocol SessionOwner: Sendable {
    var judge: any Authenticator { get }
    /// Its sessions carry streams of many; else each is one user's connection.
    var isTunnel: Bool { get }

    /// Where its peers' streams come from; nil where all streams are ours.
    var source: StreamSource? { get }
    /// Whose sessions they are; nil where nobody asks.
    var label: SessionLabel? { get }

    /// The request as ``open(_:on:answer:)`` is to have it, and the report.
    func routed(_ request: StreamRequest) -> StreamRequest

    /// The loop on which the request's stream is opened without crossing; nil where it is as near on any. Asked before
    /// ``routed(_:)``.
    func home(for request: StreamRequest, from loop: SocketLoop) -> SocketLoop?

    /// Finds the other leg of a stream that the peer opened. `answer` is called on `loop`, exactly once unless the
    /// attempt is cancelled, and possibly before this returns.
    func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt

    /// - Parameter user: who opened the stream, where there was a login.
    func streamEnded(_ request: StreamRequest, _ report: BridgeReport, user: String?)
    /// The handler is on its carrier.
    func sessionBegan(_ session: any Session)
    func sessionReady(_ session: any Session)
    /// The relay at the far end lets others reach us in this way.
    func sessionGranted(_ session: any Session, _ grant: Grant)
    /// Others may ask for the session's peer by this name or port. It withdraws nothing when it ends.
    ///
    /// - Returns: why it does not get it; nil if it does.
    func sessionServes(_ session: any Session, _ destination: Destination) -> Withholding?
    func sessionWithdraws(_ session: any Session, _ destination: Destination)
    func sessionEnded(_ session: any Session, _ reason: CloseReason)
    /// The judge has denied a peer's claim.
    func loginDenied(_ session: any Session, _ claim: Claim)
}

extension SessionOwner {
    package var isTunnel: Bool { true }
    package var source: StreamSource? { nil }
    package var label: SessionLabel? { nil }
    package func routed(_ request: StreamRequest) -> StreamRequest { request }
    package func home(for request: StreamRequest, from loop: SocketLoop) -> SocketLoop? { nil }
    package func sessionGranted(_ session: any Session, _ grant: Grant) {}
    package func sessionServes(_ session: any Session, _ destination: Destination) -> Withholding? { .notOffered }
    package func sessionWithdraws(_ session: any Session, _ destination: Destination) {}
    package func loginDenied(_ session: any Session, _ claim: Claim) {}
}

/// The owner of sessions in which all streams are ours: their peers may open none.
package protocol OutboundSessionOwner: SessionOwner {}

extension OutboundSessionOwner {
    package var judge: any Authenticator { NoAuthenticator() }

    package func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        answer(.failure(.notAllowed))
        return NoAttempt()
    }

    package func streamEnded(_ request: StreamRequest, _ report: BridgeReport, user: String?) {}
}

extension Session {
    package var wasDenied: Bool { false }
    package var grantList: GrantList { .whole }
    package var streamCount: Int { 0 }
    package var started: NIODeadline { .now() }
    package var label: SessionLabel? { nil }
    package var unit: UnitTag? { self.label?.unit }
    package var isOpening: Bool { false }
    package var isIdle: Bool { self.streamCount == 0 && !self.isOpening }
}

/// A running session, whatever its machine.
package protocol Session: AnyObject {
    /// The far end of its carrier.
    var peer: SocketAddress? { get }
    /// The peer's name as the judge gave it; nil before, and where there is no login.
    var user: String? { get }
    /// Where it lives.
    var loop: SocketLoop { get }
    /// The login is over.
    var isReady: Bool { get }
    /// Streams that are open, for people.
    var streamCount: Int { get }
    var started: NIODeadline { get }
    /// Whose it is, where it carries streams of many.
    var label: SessionLabel? { get }
    /// Whose it is, whatever it carries.
    var unit: UnitTag? { get }
    /// A stream is being opened.
    var isOpening: Bool { get }
    /// It has no streams but connections made in advance, and none is being opened.
    var isIdle: Bool { get }
    /// The judge has denied what the peer claimed, and the owner was told.
    var wasDenied: Bool { get }
    /// As ``SessionMachine/grantList``.
    var grantList: GrantList { get }
    func open(_ request: StreamRequest, answer: @escaping (Result<any Leg, StreamFault>) -> Void) -> any OpenAttempt
    func shutDown(_ reason: CloseReason)
}

extension SessionHandler: Session {}

/// A judge of claims. It may take its time: nothing else of the session moves meanwhile.
package protocol Authenticator: Sendable {
    /// What can be said at once; nil where it takes time, and ``judge(_:from:)`` says it. On the session's loop.
    ///
    /// - Parameter peer: the far end of the connection, where it has an address.
    func verdict(on claim: Claim, from peer: SocketAddress?) -> Verdict?

    func judge(_ claim: Claim, from peer: SocketAddress?) async -> Verdict

    /// Whether somebody whom another judge has let in, before a reload, would be let in by this one with the same proof.
    ///
    /// - Parameter user: the name that the other has given; nil for one who was not asked, and for all whom it may have let in.
    func admits(_ user: String?, letInBy former: any Authenticator) -> Bool
}

extension Authenticator {
    package func verdict(on claim: Claim, from peer: SocketAddress?) -> Verdict? { nil }
    package func judge(_ claim: Claim, from peer: SocketAddress?) async -> Verdict {
        self.verdict(on: claim, from: peer) ?? .denied
    }
}

/// For sessions whose machine judges by itself, or whose peers need no login.
package struct NoAuthenticator: Authenticator {
    package init() {}
    package func verdict(on claim: Claim, from peer: SocketAddress?) -> Verdict? { .denied }
    package func admits(_ user: String?, letInBy former: any Authenticator) -> Bool { former is NoAuthenticator }
}

/// An attempt to open a stream that can be given up. After ``cancel()`` its answer does not come any more.
package protocol OpenAttempt: AnyObject {
    func cancel()
}

/// An attempt that was answered at once.
package final class NoAttempt: OpenAttempt {
    package init() {}
    package func cancel() {}
}
