// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOWebSocket
import WarrenLoop

// From HTTP to WebSocket on the server's side. Any request of a connection may ask: proxies use theirs again.
extension HTTPServiceHandler {
    func askUpgrade(_ request: HTTPServiceRequest, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var verdict: Result<HTTPHeaders, any Error>?
        WebSocketAnswer.make(for: head, on: self.channel).assumeIsolated().whenComplete { verdict = $0 }
        guard case .success(let headers) = verdict else {
            let hasOldVersion = head.headers.first(name: "sec-websocket-version") != "13"
            let answer = hasOldVersion ? HTTPServiceAnswer.upgradeRequired : HTTPServiceAnswer(.badRequest)
            return self.reply(answer, to: head, closes: true, context)
        }
        switch self.service.mayUpgrade(request) {
        case .refused(let status):
            self.reply(HTTPServiceAnswer(status), to: head, closes: true, context)
        case .granted(let token):
            self.phase = .upgrading(token, request, headers)
            self.stopWaiting()
            // The parser leaves a turn later, and gives back what it had read too far.
            let left = context.pipeline.syncOperations.removeHandler(self.decoder)
            left.assumeIsolated().whenComplete { _ in self.enterWebSocket(context) }
        }
    }

    private func enterWebSocket(_ context: ChannelHandlerContext) {
        guard case .upgrading(let token, let request, let headers) = self.phase else { return }
        let head = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: headers)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        // The connection may have failed under the answer.
        guard case .upgrading = self.phase else { return }
        context.pipeline.syncOperations.removeHandler(self.encoder, promise: nil)
        do {
            let leg = try WebSocket.install(
                .server, on: self.channel, loop: self.loop, keepAlive: self.limits.keepAlive,
                carriesSession: self.limits.carriesSession)
            self.phase = .over
            self.service.upgraded(leg, request, token: token, on: self.loop)
        } catch {
            return self.close(context)
        }
        let early = self.early
        self.early = []
        context.pass(early, end: self.inputEnded)
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}

/// The headers of the answer that grants an upgrade.
private enum WebSocketAnswer {
    private static let upgrader = NIOWebSocketServerUpgrader(automaticErrorHandling: false) { channel, head in
        var headers = HTTPHeaders()
        // A browser that offers subprotocols insists on one of them.
        if let offered = head.headers[canonicalForm: "sec-websocket-protocol"].first {
            headers.add(name: "Sec-WebSocket-Protocol", value: String(offered))
        }
        return channel.eventLoop.makeSucceededFuture(headers)
    } upgradePipelineHandler: { channel, _ in
        channel.eventLoop.makeSucceededVoidFuture()
    }

    /// Fails for a request without a key, or of another version. Completes before it returns: nothing is waited for.
    static func make(for head: HTTPRequestHead, on channel: any Channel) -> EventLoopFuture<HTTPHeaders> {
        self.upgrader.buildUpgradeResponse(channel: channel, upgradeRequest: head, initialResponseHeaders: [:])
    }
}
