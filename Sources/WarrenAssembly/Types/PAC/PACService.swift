// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import WarrenConfiguration
import WarrenCore
import WarrenLoop
import WarrenRuntime
import WarrenWebSocks

/// Gives browsers the file that says which of their requests go through an inbound, as `routes:` have it at that time.
final class PACService: HTTPService, Sendable {
    private static let paths = ["/", "/proxy.pac", "/wpad.dat"]

    private let block: PACBlock
    private let target: StreamTarget

    init(_ block: PACBlock, of target: StreamTarget) {
        self.block = block
        self.target = target
    }

    func answer(_ request: HTTPServiceRequest) -> HTTPServiceAnswer {
        let path = request.uri.prefix { $0 != "?" }
        guard Self.paths.contains(String(path)) else { return HTTPServiceAnswer(.notFound) }
        guard request.method == .GET || request.method == .HEAD else {
            return HTTPServiceAnswer(.methodNotAllowed, headers: ["Allow": "GET, HEAD"])
        }
        guard let host = Self.host(request), let script = try? self.script(asked: host) else {
            return HTTPServiceAnswer(.badRequest)
        }
        // It names hosts of a network: a page of others must not have it run as a script of its own.
        let headers: HTTPHeaders = [
            "Content-Type": "application/x-ns-proxy-autoconfig", "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
        ]
        return HTTPServiceAnswer(.ok, headers: headers, body: ByteBuffer(string: script))
    }

    private func script(asked: Host) throws(WireError) -> String {
        let ways = self.block.ways(asked: asked)
        let rules = self.block.routes.map { WebSocks.PACFile(through: ways, $0) }
        return try (rules ?? WebSocks.PACFile(through: ways, following: self.target.signposts)).script()
    }

    /// Whom the browser asked, without the port.
    private static func host(_ request: HTTPServiceRequest) -> Host? {
        let named = request.headers.first(name: "host") ?? ""
        return try? Target(parsing: named, defaultPort: 80).host
    }

    func mayUpgrade(_ request: HTTPServiceRequest) -> UpgradeVerdict<Never> { .refused(.notFound) }
    func upgraded(_ leg: any Leg, _ request: HTTPServiceRequest, token: Never, on loop: SocketLoop) {}
    func abandoned(_ token: Never) {}
}
