// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import WarrenCore
import WarrenJET
import WarrenLoop
import WarrenRuntime

/// The side entrance of a JET relay: calls, and carriers that come as WebSockets.
final class JETCalls: HTTPService {
    private let place: RendezvousService<JET.RelayMachine>
    private let prefix: String
    private let takesCalls: Bool

    /// - Parameters:
    ///   - prefix: what stands before every path here, such as `/tunnel`.
    ///   - takesCalls: false where another port takes them; whether the relay is alive is told everywhere.
    init(_ place: RendezvousService<JET.RelayMachine>, below prefix: String, takesCalls: Bool) {
        self.place = place
        self.prefix = prefix
        self.takesCalls = takesCalls
    }

    func answer(_ request: HTTPServiceRequest) -> HTTPServiceAnswer {
        let whole = JET.Path(request.uri)
        // Whoever looks after proxies asks the relay itself, without the prefix.
        guard let path = whole.below(self.prefix) ?? (whole.asksHealth ? whole : nil) else {
            return HTTPServiceAnswer(.notFound)
        }
        guard path.kind == nil else { return .upgradeRequired }
        guard self.takesCalls || path.asksHealth else { return HTTPServiceAnswer(.notFound) }
        let call = JET.Call(
            method: request.method.rawValue, path: path.text, authorization: request.authorization,
            isLocal: request.peer != nil && self.address(of: request) == nil
        )
        let answer = self.place.tell { machine, now in machine.call(call, now: now) }
        return HTTPServiceAnswer(
            HTTPResponseStatus(statusCode: answer.status), headers: ["Content-Type": answer.contentType],
            body: ByteBuffer(string: answer.body)
        )
    }

    func mayUpgrade(_ request: HTTPServiceRequest) -> UpgradeVerdict<CarrierID> {
        guard let path = JET.Path(request.uri).below(self.prefix) else { return .refused(.notFound) }
        let id = self.place.expect()
        let address = self.address(of: request)
        let refusal = self.place.tell { machine, now in
            machine.upgrade(id, path: path.text, from: address, now: now)
        }
        return refusal.map { .refused(HTTPResponseStatus(statusCode: $0)) } ?? .granted(id)
    }

    func upgraded(_ leg: any Leg, _ request: HTTPServiceRequest, token id: CarrierID, on loop: SocketLoop) {
        self.place.arrive(leg, as: id) { machine in machine.upgraded(id) }
    }

    func abandoned(_ id: CarrierID) { self.place.tell { machine, _ in machine.leave(id) } }

    /// Nil for this machine itself.
    private func address(of request: HTTPServiceRequest) -> IPAddress? {
        RendezvousService<JET.RelayMachine>.address(of: request.peer)
    }
}
