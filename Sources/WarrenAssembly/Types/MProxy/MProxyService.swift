// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import WarrenCore
import WarrenLoop
import WarrenMProxy
import WarrenRuntime

/// What devices ask a relay for over HTTP: their tunnel at any path, and where it is.
final class MProxyService: HTTPService {
    /// How often a silent tunnel is pinged; one whose peer is silent for 19 s is given up, so that within 20 s of a
    /// device's loss its visitors are told.
    static let ping = TimeAmount.seconds(4)
    private static let discovery = "/_apis/telebit.cloud/index.json"

    private let host: String?
    private let start: (any Leg, MProxy.Upgrade, String?, SocketLoop) -> Void

    /// - Parameters:
    ///   - host: the relay's own name, if it has one.
    ///   - start: takes over the tunnel of a device that has not begun; told which process of the device it is.
    init(host: String?, start: @escaping (any Leg, MProxy.Upgrade, String?, SocketLoop) -> Void) {
        self.host = host
        self.start = start
    }

    func answer(_ request: HTTPServiceRequest) -> HTTPServiceAnswer {
        guard request.method == .GET || request.method == .HEAD else { return HTTPServiceAnswer(.methodNotAllowed) }
        guard request.uri == Self.discovery else { return HTTPServiceAnswer(.notFound) }
        let host = self.host ?? ":hostname"
        let text = #"{"api_host":"\#(host)","tunnel":{"method":"wss","pathname":""}}"#
        return HTTPServiceAnswer(
            .ok, headers: ["Content-Type": "application/json", "Cache-Control": "no-store"],
            body: ByteBuffer(string: text))
    }

    /// Whoever brings a token in control messages has none yet, so everybody gets a tunnel; what it may serve is judged
    /// inside.
    func mayUpgrade(_ request: HTTPServiceRequest) -> UpgradeVerdict<MProxy.Upgrade> {
        let extensions = request.headers[canonicalForm: MProxy.Extension.header].joined(separator: ",")
        return .granted(
            MProxy.Upgrade(target: request.uri, authorization: request.authorization, extensions: extensions))
    }

    func upgraded(_ leg: any Leg, _ request: HTTPServiceRequest, token: MProxy.Upgrade, on loop: SocketLoop) {
        let instance = request.headers.first(name: DeviceInstance.header).flatMap { DeviceInstance($0)?.text }
        self.start(leg, token, instance, loop)
    }

    func abandoned(_ token: MProxy.Upgrade) {}
}
