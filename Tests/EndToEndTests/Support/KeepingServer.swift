// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Synchronization

/// The paths that a server was asked for.
final class RequestLog: Sendable {
    private let paths = Mutex<[String]>([])
    var all: [String] { self.paths.withLock { $0 } }
    func add(_ path: String) { self.paths.withLock { $0.append(path) } }
}

extension Server {
    /// Answers each request of a connection with its name and the length of the body, or with the body for `/echo`.
    static func keeping(_ name: String, _ log: RequestLog) async throws -> Server {
        try await Self.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(KeepingHandler(name, log))
            }
        }
    }
}

private final class KeepingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let name: String
    private let log: RequestLog
    private var input = ByteBuffer()
    private var head: (path: String, length: Int)?

    init(_ name: String, _ log: RequestLog) {
        self.name = name
        self.log = log
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.input.writeImmutableBuffer(self.unwrapInboundIn(data))
        while self.answer(context) {}
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
    }

    private func answer(_ context: ChannelHandlerContext) -> Bool {
        if self.head == nil { self.readHead() }
        guard let head, let body = self.input.readSlice(length: head.length) else { return false }
        self.head = nil
        let content = head.path == "/echo" ? body : ByteBuffer(string: "\(self.name): \(body.readableBytes)")
        var answer = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: \(content.readableBytes)\r\n\r\n")
        answer.writeImmutableBuffer(content)
        context.writeAndFlush(NIOAny(answer), promise: nil)
        return true
    }

    private func readHead() {
        let view = self.input.readableBytesView
        guard let end = view.firstRange(of: Array("\r\n\r\n".utf8)),
            let text = self.input.readString(length: end.upperBound - view.startIndex)
        else { return }
        let path = text.split(separator: " ")[1]
        self.log.add(String(path))
        let length = text.components(separatedBy: "Content-Length: ").dropFirst().first?.prefix { $0.isNumber }
        self.head = (String(path), length.flatMap { Int($0) } ?? 0)
    }
}
