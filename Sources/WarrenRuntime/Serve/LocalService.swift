// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import WarrenCore
import WarrenLoop

/// How a device serves a name or port of its relay.
package struct LocalService: Sendable {
    package enum Target: Hashable, Sendable {
        case tcp(Host, port: UInt16)
        /// The path of a socket of this machine.
        case unix(String)
    }

    package var target: Target
    /// Ends the TLS of visitors who speak it; without it, what they say goes to the target as it is.
    package var tls: TLSServer?
    /// What the `Host` of every request says then; nil for what the visitor said.
    package var host: String?
    /// Every request says whose it is, in `X-Forwarded-For`, `-Proto` and `-Host`. What visitors say there is taken out.
    package var tellsVisitor = false
    /// Told to the target before anything else.
    package var proxyHeader: ProxyHeader?
    package var limits = SessionLimits()

    package init(_ target: Target) { self.target = target }

    /// Requests have to be read for it.
    private var rewrites: Bool { self.host != nil || self.tellsVisitor }

    /// TLS ends here. Whoever comes by HTTP has none, though others of the same name may.
    fileprivate func endsTLS(of request: StreamRequest) -> Bool { self.tls != nil && request.scheme != "http" }

    /// TLS that does not end here cannot be looked into.
    fileprivate func readsRequests(of request: StreamRequest) -> Bool {
        self.rewrites && (self.endsTLS(of: request) || request.scheme != "https")
    }
}

/// Opens what visitors want of a device.
package struct LocalServices: Sendable {
    private let find: @Sendable (Destination) -> LocalService?
    private let loops: Loops

    /// - Parameter find: the service of a name and port; nil where nothing serves it.
    package init(loops: Loops, find: @escaping @Sendable (Destination) -> LocalService?) {
        self.find = find
        self.loops = loops
    }

    /// Opens the stream of a visitor. To be called on `loop`, where the answer comes.
    func open(
        _ request: StreamRequest, by sessions: InboundSessions, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        guard let service = self.find(request.destination) else {
            answer(.failure(.unknownHost))
            return NoAttempt()
        }
        guard service.endsTLS(of: request) || service.readsRequests(of: request) else {
            return service.reach(request, by: sessions, on: loop, answer: answer)
        }
        if let fault = sessions.refusal(of: request, on: loop) {
            answer(.failure(fault))
            return NoAttempt()
        }
        // The visitor's connection is accepted as if it had come to a port of ours.
        let (end, accepted) = CrossingLeg.pair(loop, from: request.source)
        answer(.success(end))
        do {
            try self.accept(accepted, service, request, sessions, loop)
        } catch {
            accepted.discard()
        }
        return NoAttempt()
    }

    private func accept(
        _ leg: any Leg, _ service: LocalService, _ request: StreamRequest, _ sessions: InboundSessions,
        _ loop: SocketLoop
    ) throws {
        let loops = self.loops
        let owner = VisitorOwner(service: service, visitor: request, sessions: sessions)
        let layers: [any AcceptLayer] =
            service.endsTLS(of: request)
            ? service.tls.map { [TLSAcceptLayer($0, timeout: service.limits.handshake)] } ?? [] : []
        let port = AcceptPort(loop: loop) { _, reason, isWorthALook in
            if isWorthALook { sessions.stranger(request.source, saying: reason) }
        }
        try layers.accept(leg, at: port) { leg, loop in
            let context = loops.context(on: loop)
            guard service.readsRequests(of: request) else {
                return context.start(ForwardMachine(target: .fixed), on: leg, owner: owner)
            }
            var configuration = ProxyServerConfiguration(limits: service.limits)
            configuration.origin = service.origin(of: request)
            context.start(HTTPProxyServer(configuration), on: leg, owner: owner)
        }
    }
}

extension LocalService {
    fileprivate func origin(of request: StreamRequest) -> HTTPOrigin {
        var origin = HTTPOrigin()
        origin.host = self.host
        guard self.tellsVisitor else { return origin }
        let address = request.source.flatMap { IPAddress($0) }
        origin.visitor = HTTPOrigin.Visitor(
            address: address.map { "\($0)" }, scheme: self.endsTLS(of: request) ? "https" : "http")
        return origin
    }

    /// Connects to the target.
    fileprivate func reach(
        _ request: StreamRequest, by sessions: InboundSessions, on loop: SocketLoop,
        answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        let header = self.proxyHeader.map { $0.bytes(source: request.source, port: request.destination.servicePort) }
        let greeting: (Result<any Leg, StreamFault>) -> Void = { result in
            if case .success(let leg) = result, let header {
                leg.write(header)
                leg.flush()
            }
            answer(result)
        }
        switch self.target {
        case .tcp(let host, let port):
            var request = request
            request.destination = .tcp(host, port: port)
            return sessions.open(request, on: loop, answer: greeting)
        case .unix(let path):
            if let fault = sessions.refusal(of: request, on: loop) {
                answer(.failure(fault))
                return NoAttempt()
            }
            return LocalSocket.dial(path, on: loop, answer: greeting)
        }
    }
}

extension Destination {
    fileprivate var servicePort: UInt16 { if case .service(_, let port) = self { port } else { 0 } }
}

/// Owns what reads a visitor's connection at a device. Each of its streams is a part of the visitor's, which is reported and
/// charged as a whole.
private struct VisitorOwner: SessionOwner {
    let service: LocalService
    let visitor: StreamRequest
    let sessions: InboundSessions

    var judge: any Authenticator { NoAuthenticator() }
    var isTunnel: Bool { false }
    var source: StreamSource? { self.sessions.source }

    func routed(_ request: StreamRequest) -> StreamRequest {
        var request = self.visitor
        request.route = self.sessions.target.route()
        return request
    }

    func open(
        _ request: StreamRequest, on loop: SocketLoop, answer: @escaping (Result<any Leg, StreamFault>) -> Void
    ) -> any OpenAttempt {
        self.service.reach(request, by: self.sessions, on: loop, answer: answer)
    }

    func streamEnded(_ request: StreamRequest, _ report: BridgeReport, user: String?) {
        (request.route as? RouteRecord)?.router?.ended(request)
    }

    func sessionBegan(_ session: any Session) {}
    func sessionReady(_ session: any Session) {}
    func sessionEnded(_ session: any Session, _ reason: CloseReason) {}
}
